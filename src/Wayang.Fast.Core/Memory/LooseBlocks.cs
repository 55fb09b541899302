using System.Runtime.InteropServices;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Blocks that are arrays of their own, for what slabs have no room for: made when rented, the collector's when returned. They are
/// named by an index, so that a place is one number whatever its kind. Any thread.
/// <para>
/// The last large ones that came back are rented again as long as the collector has not taken them: whoever fills fresh memory waits for the kernel (and its
/// host) to make each page, which is ten times what the bytes cost.
/// </para>
/// </summary>
internal sealed class LooseBlocks
{
    /// <summary>Arrays of at least this size have large pages where the host has any, as slabs do.</summary>
    private const int LargePagesBytes = 2 << 20;

    private const int ChunkBits = 10;
    private const int ChunkMask = (1 << ChunkBits) - 1;
    private const int FirstChunks = 16;
    private const int Remembered = 8;

    private readonly IndexStack _free = new(ChunkBits);
    private readonly Lock _growth = new();
    private readonly WeakReference<byte[]>?[] _used = new WeakReference<byte[]>?[Remembered];
    private int _oldest;
    private byte[]?[]?[] _arrays = new byte[FirstChunks][][];
    private int _chunks;

    public int Rent(int bytes)
    {
        int index;
        while (!_free.TryPop(out index))
        {
            Grow();
        }

        Volatile.Write(ref Array(index), TakeUsed(bytes) ?? Make(bytes));
        return index;
    }

    /// <summary>Who makes the pages of large ones; null: nobody is asked.</summary>
    public IMemoryPages? Pages { get; set; }

    private byte[] Make(int bytes)
    {
        if (bytes < LargePagesBytes || Pages is not { } pages)
        {
            return GC.AllocateUninitializedArray<byte>(bytes);
        }

        var array = GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
        pages.PreferLarge(Marshal.UnsafeAddrOfPinnedArrayElement(array, 0), bytes);
        return array;
    }

    public void Return(int index)
    {
        var array = Interlocked.Exchange(ref Array(index), null);
        _free.Push(index);
        if (array is { Length: > SlabReserve.SlabBytes })
        {
            Interlocked.Exchange(ref _used[(uint)Interlocked.Increment(ref _oldest) % Remembered], new WeakReference<byte[]>(array));
        }
    }

    /// <returns>At least so large, at most twice; null: there is none.</returns>
    private byte[]? TakeUsed(int bytes)
    {
        for (var i = 0; bytes > SlabReserve.SlabBytes && i < Remembered; i++)
        {
            var used = Volatile.Read(ref _used[i]);
            if (used is not null && used.TryGetTarget(out var array) && array.Length >= bytes && array.Length / 2 <= bytes
                && Interlocked.CompareExchange(ref _used[i], null, used) == used)
            {
                return array;
            }
        }

        return null;
    }

    /// <summary>Empty: only for a reader whose index is no longer the block's.</summary>
    public Span<byte> Block(int index) => Volatile.Read(ref Array(index));

    private ref byte[]? Array(int index) => ref Volatile.Read(ref _arrays)[index >> ChunkBits]![index & ChunkMask];

    private void Grow()
    {
        lock (_growth)
        {
            if (!_free.IsEmpty)
            {
                return;
            }

            var arrays = _arrays;
            if (_chunks == arrays.Length)
            {
                System.Array.Resize(ref arrays, arrays.Length * 2);
            }

            arrays[_chunks] = new byte[1 << ChunkBits][];
            Volatile.Write(ref _arrays, arrays);
            _free.AddChunk(_chunks++);
        }
    }
}
