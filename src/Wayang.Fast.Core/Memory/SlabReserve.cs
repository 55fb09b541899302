namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Slabs that no size has yet: made before anybody waits, since each that is made later is charged to the collector's budget for large arrays, and a few dozen of them are a collection
/// of the oldest generation. Nothing is written to them, so they cost address space until they are used. Any thread.
/// </summary>
internal sealed class SlabReserve
{
    public const int SlabBytes = 256 << 10;

    private readonly Lock _gate = new();
    private readonly Stack<byte[]> _slabs = new();
    private long _made;
    private int _most;

    /// <summary>Bytes of all slabs that were ever made, those included that the collector had back.</summary>
    public long BytesMade => Volatile.Read(ref _made);

    /// <summary>Makes so many, and keeps so many from now on.</summary>
    public void Prepare(int slabs)
    {
        lock (_gate)
        {
            for (_most = slabs; _slabs.Count < slabs;)
            {
                _slabs.Push(Make(SlabBytes));
            }
        }
    }

    /// <returns>A pinned array that holds whatever it held before.</returns>
    public byte[] Take(int bytes)
    {
        if (bytes == SlabBytes)
        {
            lock (_gate)
            {
                if (_slabs.TryPop(out var slab))
                {
                    return slab;
                }
            }
        }

        return Make(bytes);
    }

    /// <summary>One that nobody uses: for the next size that needs one, or, beyond what was prepared, for the collector.</summary>
    public void Return(byte[] slab)
    {
        lock (_gate)
        {
            if (slab.Length == SlabBytes && _slabs.Count < _most)
            {
                _slabs.Push(slab);
            }
        }
    }

    private byte[] Make(int bytes)
    {
        Interlocked.Add(ref _made, bytes);
        return GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
    }
}
