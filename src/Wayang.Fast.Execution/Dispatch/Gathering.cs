using System.Runtime.InteropServices;

namespace Wayang.Fast.Execution.Dispatch;

/// <summary>
/// What one round or turn gathers and then goes through once, tens of millions of times a second: a list whose clearing is
/// one store, and which stores without the check that a list of references pays. Not thread-safe; references stay in it until they are
/// overwritten, so it is for objects that live long.
/// </summary>
internal sealed class Gathering<T>
    where T : class
{
    private Place[] _places = new Place[16];

    // A struct around the reference: the array then needs no look at its element type at each store.
    [StructLayout(LayoutKind.Auto)]
    private struct Place
    {
        public T Item;
    }

    public int Count { get; private set; }

    public T this[int index] => _places[index].Item;

    public void Add(T item)
    {
        if (Count == _places.Length)
        {
            Array.Resize(ref _places, Count * 2);
        }

        _places[Count++].Item = item;
    }

    public void Clear() => Count = 0;
}
