using System.Diagnostics;

namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Free indices as a stack. Producers and consumers: any number of threads, lock-free; last in, first out; nothing is ever full, empty
/// returns false. The head carries a tag of 32 bits against an index that left and came back between a look and the exchange. The links
/// stand in pinned arrays, which no collection copies, and stay for ever once they are made: a late reader finds an old link, never none.
/// </summary>
/// <param name="chunkBits">Indices are made known in chunks of two to this many.</param>
internal sealed class IndexStack(int chunkBits)
{
    private const int FirstChunks = 16;

    private readonly Lock _growth = new();

    // SYNC POINT: the table is replaced by a longer copy; chunks stay the same objects.
    private int[]?[] _links = new int[FirstChunks][];

    // SYNC POINT: tag (upper half) and index + 1 (lower half) of the first free index; 0 in the lower half = none.
    private ulong _head;

    /// <summary>Whether anything was free a moment ago.</summary>
    public bool IsEmpty => (uint)Volatile.Read(ref _head) == 0;

    public bool TryPop(out int index)
    {
        var head = Volatile.Read(ref _head);
        while ((uint)head != 0)
        {
            index = (int)(uint)head - 1;
            var seen = Interlocked.CompareExchange(ref _head, Next(head) | (uint)Volatile.Read(ref Link(index)), head);
            if (seen == head)
            {
                return true;
            }

            head = seen;
        }

        index = -1;
        return false;
    }

    public void Push(int index) => PushChain(index, index);

    /// <summary>Puts a whole new chunk of indices on the stack, but for its first <paramref name="kept"/>, which are the caller's.</summary>
    public void AddChunk(int chunk, int kept = 0)
    {
        var first = chunk << chunkBits;
        var count = 1 << chunkBits;
        var links = MakeChunk(chunk);
        for (var i = 0; i < count - 1; i++)
        {
            links[i] = first + i + 2;
        }

        if (kept < count)
        {
            PushChain(first + kept, first + count - 1);
        }
    }

    /// <summary>Takes all that is free, as a chain to walk by <see cref="TryFollow"/>; the caller owns it and pushes back what it keeps.</summary>
    /// <returns>The first link of the chain; 0: nothing was free.</returns>
    public int TakeAll()
    {
        var head = Volatile.Read(ref _head);
        while ((uint)head != 0)
        {
            var seen = Interlocked.CompareExchange(ref _head, Next(head), head);
            if (seen == head)
            {
                return (int)(uint)head;
            }

            head = seen;
        }

        return 0;
    }

    /// <summary>The index at a link of a chain that is the caller's; <paramref name="link"/> becomes the next one.</summary>
    public bool TryFollow(ref int link, out int index)
    {
        index = link - 1;
        if (link == 0)
        {
            return false;
        }

        link = Link(index);
        return true;
    }

    private static ulong Next(ulong head) => ((head >> 32) + 1) << 32;

    private ref int Link(int index) => ref Volatile.Read(ref _links)[index >> chunkBits]![index & ((1 << chunkBits) - 1)];

    private void PushChain(int first, int last)
    {
        ref var end = ref Link(last);
        var head = Volatile.Read(ref _head);
        while (true)
        {
            Volatile.Write(ref end, (int)(uint)head);
            var seen = Interlocked.CompareExchange(ref _head, Next(head) | (uint)(first + 1), head);
            if (seen == head)
            {
                return;
            }

            head = seen;
        }
    }

    private int[] MakeChunk(int chunk)
    {
        lock (_growth)
        {
            var table = _links;
            if (chunk >= table.Length)
            {
                Array.Resize(ref table, Math.Max(chunk + 1, table.Length * 2));
            }

            var links = table[chunk] ??= GC.AllocateArray<int>(1 << chunkBits, pinned: true);
            Volatile.Write(ref _links, table);
            Debug.Assert(links.Length == 1 << chunkBits, "a chunk of another size");
            return links;
        }
    }
}
