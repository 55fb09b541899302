using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a task is given or answers: up to 48 bytes stand in the object itself (what a channel's slot carries inline), more in one
/// block of <paramref name="slabs"/>, which <see cref="Clear"/> gives back. How long it becomes is mostly known before (<see cref="EnsureCapacity"/>). One writer at a time; any thread may read by
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
        Truncate();
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
    public bool TryCopy(long offset, Span<byte> destination, out int count, out int total)
    {
        var version = Volatile.Read(ref _version);
        total = Volatile.Read(ref _length);
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
        var bigger = slabs.Rent((int)Math.Max(total, Math.Min(Array.MaxLength, Capacity * 2L)));
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
