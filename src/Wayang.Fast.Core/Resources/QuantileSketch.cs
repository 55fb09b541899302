using System.Buffers.Binary;
using System.Numerics;

namespace Wayang.Fast.Core.Resources;

/// <summary>
/// Quantiles of a stream of numbers that changes: logarithmic buckets, eight to a doubling, so a quantile is at most 12.5 % too high and
/// never too low; when <see cref="Window"/> values are in them all counts are halved, so what was long ago weighs ever
/// less (half as much after each 512 values). Fixed memory: some 700 bytes. Not thread-safe: one writer; readers of other threads see some recent state.
/// </summary>
public sealed class QuantileSketch
{
    /// <summary>Values at which the counts are halved.</summary>
    public const int Window = 1024;

    /// <summary>Bytes of <see cref="Write"/>.</summary>
    public const int SerializedBytes = 8 + (Buckets * 2);

    private const int SubBits = 3;
    private const int MaxBits = 44; // 16 TiB, or half a year in microseconds: anything over counts as that
    private const int Buckets = (MaxBits - SubBits + 1) << SubBits;

    private readonly ushort[] _counts = new ushort[Buckets];
    private int _held;
    private int _seen;
    private bool _roundUp = true;

    /// <summary>Values so far, up to 2^31 - 1.</summary>
    public int Seen => Volatile.Read(ref _seen);

    public void Record(long value)
    {
        _counts[IndexOf(Math.Clamp(value, 0, (1L << MaxBits) - 1))]++;
        if (_seen < int.MaxValue)
        {
            _seen++;
        }

        if (++_held >= Window)
        {
            Halve();
        }
    }

    /// <summary>A bound that at least the fraction <paramref name="quantile"/> (0 to 1) of the values is at or below; 0 without values.</summary>
    public long Quantile(double quantile)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quantile, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quantile, 1);
        var total = 0;
        foreach (var count in _counts)
        {
            total += count;
        }

        var rank = Math.Max(1, (int)Math.Ceiling(quantile * total));
        var below = 0;
        for (var i = 0; i < Buckets; i++)
        {
            below += _counts[i];
            if (below >= rank)
            {
                return UpperBound(i);
            }
        }

        return 0;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        _held = 0;
        _seen = 0;
    }

    /// <summary>Writes <see cref="SerializedBytes"/> bytes.</summary>
    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteInt32LittleEndian(to, _seen);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], Buckets);
        for (var i = 0; i < Buckets; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(to[(8 + (i * 2))..], _counts[i]);
        }
    }

    /// <summary>False, and nothing changed, when the bytes are no sketch of this shape.</summary>
    public bool TryRead(ReadOnlySpan<byte> from)
    {
        if (from.Length < SerializedBytes || BinaryPrimitives.ReadInt32LittleEndian(from[4..]) != Buckets)
        {
            return false;
        }

        var seen = BinaryPrimitives.ReadInt32LittleEndian(from);
        var held = 0;
        for (var i = 0; i < Buckets; i++)
        {
            held += BinaryPrimitives.ReadUInt16LittleEndian(from[(8 + (i * 2))..]);
        }

        if (seen < 0 || held >= Window || held > seen)
        {
            return false;
        }

        for (var i = 0; i < Buckets; i++)
        {
            _counts[i] = BinaryPrimitives.ReadUInt16LittleEndian(from[(8 + (i * 2))..]);
        }

        _held = held;
        _seen = seen;
        return true;
    }

    private static int IndexOf(long value)
    {
        if (value < 1 << SubBits)
        {
            return (int)value;
        }

        var shift = BitOperations.Log2((ulong)value) - SubBits;
        return ((shift + 1) << SubBits) + (int)((value >> shift) & ((1 << SubBits) - 1));
    }

    private static long UpperBound(int index)
    {
        var shift = (index >> SubBits) - 1;
        if (shift < 0)
        {
            return index;
        }

        var first = ((1L << SubBits) + (index & ((1 << SubBits) - 1))) << shift;
        return first + (1L << shift) - 1;
    }

    private void Halve()
    {
        var held = 0;
        var round = _roundUp ? 1 : 0;
        _roundUp = !_roundUp;
        for (var i = 0; i < Buckets; i++)
        {
            // Rounded up and down by turns: a single value lives for a window or two, and not for ever.
            _counts[i] = (ushort)((_counts[i] + round) >> 1);
            held += _counts[i];
        }

        _held = held;
    }
}
