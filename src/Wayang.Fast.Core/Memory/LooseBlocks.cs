namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Blocks that are arrays of their own, for what slabs have no room for: made when rented, the collector's when returned. They are
/// named by an index, so that a place is one number whatever its kind. Any thread.
/// </summary>
internal sealed class LooseBlocks
{
    private const int ChunkBits = 10;
    private const int ChunkMask = (1 << ChunkBits) - 1;
    private const int FirstChunks = 16;

    private readonly IndexStack _free = new(ChunkBits);
    private readonly Lock _growth = new();
    private byte[]?[]?[] _arrays = new byte[FirstChunks][][];
    private int _chunks;

    public int Rent(int bytes)
    {
        int index;
        while (!_free.TryPop(out index))
        {
            Grow();
        }

        Volatile.Write(ref Array(index), GC.AllocateUninitializedArray<byte>(bytes));
        return index;
    }

    public void Return(int index)
    {
        Volatile.Write(ref Array(index), null);
        _free.Push(index);
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
