using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a task is given, or saves: up to 48 bytes stand in the object itself (what a channel's slot carries inline), more in one
/// block of <paramref name="slabs"/>, which <see cref="Clear"/> gives back. One writer at a time; <see cref="Span"/> is for the
/// writer, or for readers that hold the record while nobody writes.
/// </summary>
public sealed class PayloadBuffer(PayloadSlabs slabs)
{
    /// <summary>Bytes that need no block.</summary>
    public const int InlineBytes = 48;

    private InlineStore _inline;

    // The block's place; 0 = the bytes stand inline.
    private uint _place;

    private int _length;

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
        Volatile.Write(ref _length, 0);
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
        Volatile.Write(ref _length, 0);
        if (_place is not 0 and var place)
        {
            Volatile.Write(ref _place, 0);
            slabs.Return(place);
        }
    }

    private Span<byte> Room() => Volatile.Read(ref _place) is not 0 and var place ? slabs.Block(place) : _inline;

    private void Grow(int total)
    {
        var bigger = slabs.Rent((int)Math.Max(total, Math.Min(Array.MaxLength, Capacity * 2L)));
        Room()[.._length].CopyTo(slabs.Block(bigger));
        var old = _place;
        Volatile.Write(ref _place, bigger);
        if (old != 0)
        {
            slabs.Return(old);
        }
    }
}
