using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// Memory that all saved states of a node hold together. States begin on the completion thread alone; their memory comes back on any.
/// </summary>
public sealed class StateBudget(PayloadSlabs slabs)
{
    private long _bytes;
    private SavedState? _spare;

    /// <summary>A momentary value.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>States that there was no room for since the start.</summary>
    public long Refused { get; private set; }

    /// <summary>Room for a state. Completion thread only.</summary>
    /// <param name="bytes">Of it.</param>
    /// <param name="most">Of all together.</param>
    /// <returns>Null: there is none now.</returns>
    public SavedState? TryBegin(int bytes, long most)
    {
        if (Bytes + bytes > most)
        {
            Refused++;
            return null;
        }

        Interlocked.Add(ref _bytes, bytes);
        var state = _spare ?? new SavedState(slabs, this);
        _spare = null;
        state.Begin(bytes);
        return state;
    }

    /// <summary>A state that another one of the same attempt took the place of: nobody can be about to take hold of it, so it may be used again. Completion thread only.</summary>
    public void Replace(SavedState old)
    {
        ArgumentNullException.ThrowIfNull(old);
        if (old.Release())
        {
            _spare = old;
        }
    }

    internal void Give(int bytes) => Interlocked.Add(ref _bytes, -bytes);
}
