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

    private InlineStore _inline;

    // SYNC POINT: the block's place, all of it in one number; 0 = the bytes stand inline. Changed only behind a new version.
    private uint _place;

    // SYNC POINT: published after the bytes and the place that it counts; read first by TryCopy.
    private int _length;

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
    public int PooledBytes => _place == 0 ? 0 : slabs.Block(_place).Length;

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

    /// <summary>Makes room for <paramref name="total"/> bytes in all; what is there stays.</summary>
    public void EnsureCapacity(int total)
    {
        if (total > Capacity)
        {
            Grow(total);
        }
    }

    /// <summary>Forgets the content and gives its block back.</summary>
    public void Clear()
    {
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

        Announce();
        Volatile.Write(ref _length, 0);
    }

    private void Grow(int total)
    {
        var wanted = Math.Max(total, Math.Min(Array.MaxLength, Capacity * 2L));
        var bigger = slabs.Rent((int)wanted);
        Room()[.._length].CopyTo(slabs.Block(bigger));
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
