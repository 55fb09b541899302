using System.Numerics;

namespace Wayang.Fast.Core.Memory;

/// <summary>
/// The blocks of one size: cut from slabs (of pinned arrays, which the collector neither moves nor promotes), the free ones in an
/// <see cref="IndexStack"/>. Rent and return: any thread, lock-free. A slab more is made by one thread at a time, under a lock that nobody waits for.
/// </summary>
internal sealed class SizeClass
{
    private readonly IndexStack _free;
    private readonly Lock _growth = new();
    private readonly SlabReserve _reserve;
    private readonly Slab?[] _slabs;
    private readonly int _perSlabBits;
    private int _count;

    /// <param name="blockBytes">A power of two.</param>
    /// <param name="maxBytes">Of all classes together: no more slabs are ever made.</param>
    /// <param name="reserve">Where slabs come from.</param>
    public SizeClass(int blockBytes, long maxBytes, SlabReserve reserve)
    {
        _reserve = reserve;
        BlockBytes = blockBytes;
        _perSlabBits = BitOperations.Log2((uint)Math.Max(1, SlabReserve.SlabBytes / blockBytes));
        _slabs = new Slab[maxBytes / BytesPerSlab];
        _free = new IndexStack(_perSlabBits);
    }

    public int BlockBytes { get; }

    public int BytesPerSlab => BlockBytes << _perSlabBits;

    public bool TryRent(out int index) => _free.TryPop(out index);

    public void Return(int index) => _free.Push(index);

    /// <summary>Empty where a slab was given back: only for a reader whose index is no longer the block's.</summary>
    public Span<byte> Block(int index)
    {
        var slab = Volatile.Read(ref _slabs[index >> _perSlabBits]);
        return slab is null ? [] : slab.Block(index & ((1 << _perSlabBits) - 1), BlockBytes);
    }

    /// <summary>Makes a slab and takes its first block. False: another thread is at it, or the table is full.</summary>
    public bool TryGrow(out int index)
    {
        index = -1;
        if (!_growth.TryEnter())
        {
            return false;
        }

        try
        {
            var place = Array.IndexOf(_slabs, null);
            if (place < 0)
            {
                return false;
            }

            Volatile.Write(ref _slabs[place], _reserve.Take(BytesPerSlab));
            _count++;
            _free.AddChunk(place, kept: 1);
            index = place << _perSlabBits;
            return true;
        }
        finally
        {
            _growth.Exit();
        }
    }

    /// <summary>Gives slabs of which no block is used back. Cold: looks at each free block.</summary>
    /// <returns>Bytes that were given back.</returns>
    public long Trim()
    {
        lock (_growth)
        {
            if (_count == 0)
            {
                return 0;
            }

            // What is returned meanwhile goes on a new stack; it counts as used this time.
            var chain = _free.TakeAll();
            var free = new int[_slabs.Length];
            for (var link = chain; _free.TryFollow(ref link, out var index);)
            {
                free[index >> _perSlabBits]++;
            }

            while (_free.TryFollow(ref chain, out var index))
            {
                if (free[index >> _perSlabBits] < 1 << _perSlabBits)
                {
                    _free.Push(index);
                }
            }

            var given = 0;
            for (var slab = 0; slab < free.Length; slab++)
            {
                if (free[slab] == 1 << _perSlabBits)
                {
                    _reserve.Return(Interlocked.Exchange(ref _slabs[slab], null)!);
                    given++;
                }
            }

            _count -= given;
            return (long)given * BytesPerSlab;
        }
    }
}
