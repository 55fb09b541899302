using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a task says while it runs, and what it answers: nobody knows how long the one becomes, and some never stop. Up to 48 bytes stand in the object itself, then one block
/// of <paramref name="slabs"/> that doubles until it has <see cref="BlockBytes"/>, then block after block of that size: nothing beyond the first one
/// is ever copied again, so each append costs what it brings. <see cref="Clear"/> gives the blocks back. One writer at a time; any thread may read by
/// <see cref="TryCopy"/> meanwhile, because every loss or move of bytes is announced by a version. <see cref="CopyTo"/> is for readers that hold
/// the record while nobody writes.
/// </summary>
public sealed class StreamBuffer(PayloadSlabs slabs)
{
    /// <summary>Bytes of all blocks but the first, which may be smaller.</summary>
    public const int BlockBytes = 1 << BlockBits;

    private const int BlockBits = 16;
    private const int FirstPlaces = 8;

    private InlineStore _inline;

    // SYNC POINT: place of the first block; 0 = the bytes stand inline. Changed only behind a new version.
    private uint _first;

    // SYNC POINT: places of the blocks behind it, 0 = none; published before a length that needs them, replaced by longer copies.
    private uint[] _more = [];

    // The writer's: how many of these there are.
    private int _blocks;

    // SYNC POINT: published after the bytes and the places that it counts; read first by TryCopy.
    private int _length;

    // SYNC POINT: incremented before bytes move or a block goes back to the slabs; TryCopy compares it before and after.
    private int _version;

    [InlineArray(PayloadBuffer.InlineBytes)]
    private struct InlineStore
    {
        private byte _first;
    }

    public int Length => Volatile.Read(ref _length);

    /// <summary>Bytes that an append cut since the last <see cref="Clear"/>.</summary>
    public long Dropped { get; private set; }

    /// <summary>Bytes of blocks held; what retention counts.</summary>
    public int PooledBytes => (_first == 0 ? 0 : slabs.Block(_first).Length) + (_blocks * BlockBytes);

    /// <summary>Makes the content <paramref name="bytes"/>.</summary>
    public void Set(ReadOnlySpan<byte> bytes)
    {
        Clear();
        Append(bytes);
    }

    /// <summary>So many bytes come: a first block of their size is made at once.</summary>
    public void Expect(int total) => GrowFirst(Math.Min(total, BlockBytes));

    public void Append(ReadOnlySpan<byte> bytes)
    {
        var length = _length;
        var total = checked(length + bytes.Length);
        GrowFirst(Math.Min(total, BlockBytes));
        while (!bytes.IsEmpty)
        {
            var number = length >> BlockBits;
            if (number > _blocks)
            {
                AddBlock();
            }

            var within = length & (BlockBytes - 1);
            var part = bytes[..Math.Min(bytes.Length, BlockBytes - within)];
            part.CopyTo(BlockAt(number)[within..]);
            bytes = bytes[part.Length..];
            length += part.Length;
        }

        Volatile.Write(ref _length, total);
    }

    /// <summary>Appends what fits below <paramref name="limit"/> bytes and counts the rest in <see cref="Dropped"/>.</summary>
    /// <returns>Bytes kept.</returns>
    public int AppendBounded(ReadOnlySpan<byte> bytes, int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        var kept = Math.Min(bytes.Length, Math.Max(0, limit - _length));
        Append(bytes[..kept]);
        Dropped += bytes.Length - kept;
        return kept;
    }

    /// <summary>Appends all of it or nothing: once something did not fit below <paramref name="limit"/>, nothing more is kept, and all is counted.</summary>
    /// <returns>Bytes kept.</returns>
    public int AppendWhole(ReadOnlySpan<byte> bytes, int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        if (Dropped > 0 || bytes.Length > limit - _length)
        {
            Dropped += bytes.Length;
            return 0;
        }

        Append(bytes);
        return bytes.Length;
    }

    /// <summary>Forgets the content and gives the blocks back.</summary>
    public void Clear()
    {
        Dropped = 0;
        if (_length == 0 && _first == 0)
        {
            return;
        }

        Announce();
        Volatile.Write(ref _length, 0);
        if (_first is not 0 and var first)
        {
            Volatile.Write(ref _first, 0);
            slabs.Return(first);
        }

        for (; _blocks > 0; _blocks--)
        {
            ref var place = ref _more[_blocks - 1];
            var block = place;
            Volatile.Write(ref place, 0);
            slabs.Return(block);
        }
    }

    /// <summary>Copies the first <paramref name="destination"/>'s length of bytes, which must be there. The record is held and nobody writes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        if (!TryCopyAt(0, destination))
        {
            throw new InvalidOperationException("a stream was read beyond its end, or while it was written");
        }
    }

    /// <summary>
    /// Copies from <paramref name="offset"/> on while another thread may write. Lock-free; false when the writer moved the bytes
    /// meanwhile (try again).
    /// </summary>
    public bool TryCopy(long offset, Span<byte> destination, out int count, out int total, out long dropped)
    {
        var version = Volatile.Read(ref _version);
        total = Volatile.Read(ref _length);
        dropped = Dropped;
        count = offset >= 0 && offset < total ? (int)Math.Min(destination.Length, total - offset) : 0;
        if (!TryCopyAt((int)Math.Clamp(offset, 0, total), destination[..count]))
        {
            return false; // the length of another version, or a block that is no more
        }

        Volatile.ReadBarrier();
        return Volatile.Read(ref _version) == version;
    }

    private bool TryCopyAt(int offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var block = BlockAt(offset >> BlockBits);
            var within = offset & (BlockBytes - 1);
            var part = Math.Min(destination.Length, BlockBytes - within);
            if (block.Length - within < part)
            {
                return false;
            }

            block.Slice(within, part).CopyTo(destination);
            destination = destination[part..];
            offset += part;
        }

        return true;
    }

    /// <summary>The block of a number, the first being 0; empty where there is none any more.</summary>
    private Span<byte> BlockAt(int number)
    {
        if (number == 0)
        {
            return Volatile.Read(ref _first) is not 0 and var first ? slabs.Block(first) : _inline;
        }

        var more = Volatile.Read(ref _more);
        return number <= more.Length && Volatile.Read(ref more[number - 1]) is not 0 and var place ? slabs.Block(place) : [];
    }

    private void AddBlock()
    {
        var more = _more;
        if (_blocks == more.Length)
        {
            more = new uint[Math.Max(FirstPlaces, more.Length * 2)];
            _more.CopyTo(more, 0);
            Volatile.Write(ref _more, more);
        }

        Volatile.Write(ref more[_blocks++], slabs.Rent(BlockBytes));
    }

    /// <summary>Makes room for so many bytes in the first block.</summary>
    private void GrowFirst(int total)
    {
        var room = BlockAt(0);
        if (total <= room.Length)
        {
            return;
        }

        var bigger = slabs.Rent(Math.Min(BlockBytes, Math.Max(total, room.Length * 2)));
        room[.._length].CopyTo(slabs.Block(bigger));
        Announce();
        var old = _first;
        Volatile.Write(ref _first, bigger);
        if (old != 0)
        {
            slabs.Return(old);
        }
    }

    private void Announce()
    {
        _version++;
        Volatile.WriteBarrier(); // the version is seen to change before any byte does
    }
}
