using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// Bytes of one stream of a task: up to 48 stand in the object itself (what a channel's slot carries inline), more in a
/// block of <paramref name="slabs"/>, which <see cref="Clear"/> gives back. One writer at a time; any thread may read by
/// <see cref="TryCopy"/> meanwhile, because every change of the place or loss of the bytes is announced by a version.
/// <see cref="Span"/> is for the writer, or for readers that hold the record while nobody writes.
/// </summary>
public sealed class PayloadBuffer(PayloadSlabs slabs)
{
    /// <summary>Bytes that need no block.</summary>
    public const int InlineBytes = 48;

    // Smaller blocks are copied to larger ones at once, when they are full.
    private const int SlowlyCopiedBytes = 64 << 10;

    // Bytes copied to the next block for each byte that comes behind the middle of this one; two would do.
    private const int CopiedPerByte = 3;

    private InlineStore _inline;

    // SYNC POINT: the block's place, all of it in one number; 0 = the bytes stand inline. Changed only behind a new version.
    private uint _place;

    // SYNC POINT: published after the bytes and the place that it counts; read first by TryCopy.
    private int _length;

    // The writer's: a block of twice the size, to which a stream that is beyond its middle is copied piece by piece. 0: none.
    private uint _next;

    // The writer's: bytes of this block that stand in the next one, too.
    private int _copied;

    // SYNC POINT: incremented before bytes are taken away or a block goes back to the slabs; TryCopy compares it before and after.
    private int _version;

    [InlineArray(InlineBytes)]
    private struct InlineStore
    {
        private byte _first;
    }

    public int Length => Volatile.Read(ref _length);

    /// <summary>Bytes that a bounded append cut since the last <see cref="Clear"/>.</summary>
    public long Dropped { get; private set; }

    public int Capacity => _place == 0 ? InlineBytes : slabs.Block(_place).Length;

    /// <summary>Bytes of blocks held; what retention counts.</summary>
    public int PooledBytes => (_place == 0 ? 0 : slabs.Block(_place).Length) + (_next == 0 ? 0 : slabs.Block(_next).Length);

    public ReadOnlySpan<byte> Span => Room()[.._length];

    /// <summary>Makes the content <paramref name="bytes"/>.</summary>
    public void Set(ReadOnlySpan<byte> bytes)
    {
        Truncate();
        Append(bytes);
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        var length = _length;
        var total = checked(length + bytes.Length);
        EnsureCapacity(total);
        bytes.CopyTo(Room()[length..]);
        Volatile.Write(ref _length, total);
    }

    /// <summary>Appends what fits below <paramref name="limit"/> bytes and counts the rest in <see cref="Dropped"/>.</summary>
    /// <returns>Bytes kept.</returns>
    public int AppendBounded(ReadOnlySpan<byte> bytes, int limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        var kept = Math.Min(bytes.Length, Math.Max(0, limit - _length));
        Append(bytes[..kept]);
        PrepareNext(limit);
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
        PrepareNext(limit);
        return bytes.Length;
    }

    /// <summary>Makes room for <paramref name="total"/> bytes in all; what is there stays.</summary>
    public void EnsureCapacity(int total)
    {
        if (total > Capacity)
        {
            Grow(total);
        }
    }

    /// <summary>Nothing more comes for now: what was kept ready for it is given back. The writer's.</summary>
    public void Settle()
    {
        if (_next is not 0 and var next)
        {
            (_next, _copied) = (0, 0);
            slabs.Return(next);
        }
    }

    /// <summary>Forgets the content and gives its block back.</summary>
    public void Clear()
    {
        Settle();
        if (_length == 0 && _place == 0 && Dropped == 0)
        {
            return;
        }

        Truncate();
        Dropped = 0;
        if (_place is not 0 and var place)
        {
            Announce(); // an empty one may have a block, too
            Volatile.Write(ref _place, 0);
            slabs.Return(place);
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
        count = 0;
        var room = Room();
        if (total > room.Length)
        {
            return false; // the length of another version, or a block that is no more
        }

        if (offset >= 0 && offset < total)
        {
            count = (int)Math.Min(destination.Length, total - offset);
            room.Slice((int)offset, count).CopyTo(destination);
        }

        Volatile.ReadBarrier();
        return Volatile.Read(ref _version) == version;
    }

    private Span<byte> Room() => Volatile.Read(ref _place) is not 0 and var place ? slabs.Block(place) : _inline;

    private void Truncate()
    {
        if (_length == 0)
        {
            return;
        }

        Settle();
        Announce();
        Volatile.Write(ref _length, 0);
    }

    /// <summary>
    /// What a stream holds is not copied at once when its block is full: that would be milliseconds, and its writer has others to serve. From the
    /// middle of a block on each append copies a little more than it brought, so that little is left when the block is full.
    /// </summary>
    /// <param name="limit">Bytes that it will ever hold.</param>
    private void PrepareNext(int limit)
    {
        if (_length <= SlowlyCopiedBytes / 2)
        {
            return;
        }

        var room = Room();
        var wanted = (int)Math.Clamp((_length - (room.Length / 2L)) * CopiedPerByte, 0, _length);
        if (wanted <= _copied || room.Length < SlowlyCopiedBytes || limit <= room.Length)
        {
            return;
        }

        if (_next == 0)
        {
            _next = slabs.Rent((int)Math.Min(limit, room.Length * 2L));
        }

        room[_copied..wanted].CopyTo(slabs.Block(_next)[_copied..]);
        _copied = wanted;
    }

    private void Grow(int total)
    {
        var wanted = Math.Max(total, Math.Min(Array.MaxLength, Capacity * 2L));
        if (_next != 0 && slabs.Block(_next).Length < total)
        {
            Settle();
        }

        var bigger = _next != 0 ? _next : slabs.Rent((int)wanted);
        Room()[_copied.._length].CopyTo(slabs.Block(bigger)[_copied..]);
        (_next, _copied) = (0, 0);
        Announce();
        var old = _place;
        Volatile.Write(ref _place, bigger);
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
