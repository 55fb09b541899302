using System.Numerics;

namespace Wayang.Fast.Core.Diagnostics;

/// <summary>
/// Counts of durations in buckets that grow with the value: exact below 128, then 64 buckets to each doubling, so a quantile is at
/// most 1.6 % too high. The unit is the caller's. One writer; <see cref="Snapshot"/> from any thread. Values over about 4.4e12
/// (73 minutes in nanoseconds) count as that.
/// </summary>
public sealed class LatencyHistogram
{
    private const int SubBits = 6;
    private const int SubCount = 1 << SubBits;
    private const int MaxBits = 42;
    private const long MaxValue = (1L << MaxBits) - 1;
    private const int Buckets = (MaxBits - SubBits + 1) * SubCount;

    private readonly long[] _counts = new long[Buckets];
    private long _total;
    private long _sum;
    private long _max;

    public long Total => Volatile.Read(ref _total);
    public long Max => Volatile.Read(ref _max);
    public double Mean => Total is > 0 and var total ? (double)Volatile.Read(ref _sum) / total : 0;

    /// <summary>Adds one value; negative ones (a clock that stepped) count as 0. Allocates nothing.</summary>
    public void Record(long value)
    {
        value = Math.Clamp(value, 0, MaxValue);
        _counts[IndexOf(value)]++;
        _sum += value;
        if (value > _max)
        {
            Volatile.Write(ref _max, value);
        }

        Volatile.Write(ref _total, _total + 1);
    }

    /// <summary>The value that at least the fraction <paramref name="quantile"/> of all values is at or below; 0 when there are none.</summary>
    public long Quantile(double quantile)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quantile, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quantile, 1);
        // Counted anew: the sum of the buckets is right also while the writer goes on.
        long total = 0;
        foreach (ref readonly var count in _counts.AsSpan())
        {
            total += Volatile.Read(in count);
        }

        var wanted = Math.Max(1, (long)Math.Ceiling(quantile * total));
        long seen = 0;
        for (var i = 0; i < Buckets; i++)
        {
            seen += Volatile.Read(ref _counts[i]);
            if (seen >= wanted)
            {
                return Math.Min(HighestOf(i), Max);
            }
        }

        return 0;
    }

    /// <summary>Adds another one's counts. The caller is this one's writer.</summary>
    public void Merge(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        long added = 0;
        for (var i = 0; i < Buckets; i++)
        {
            var count = Volatile.Read(ref other._counts[i]);
            _counts[i] += count;
            added += count;
        }

        _sum += Volatile.Read(ref other._sum);
        Volatile.Write(ref _max, Math.Max(_max, other.Max));
        Volatile.Write(ref _total, _total + added);
    }

    /// <summary>A copy; values recorded meanwhile may be in it or not.</summary>
    public LatencyHistogram Snapshot()
    {
        var copy = new LatencyHistogram();
        copy.Merge(this);
        return copy;
    }

    /// <summary>Forgets everything. The writer's.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        _sum = 0;
        Volatile.Write(ref _max, 0);
        Volatile.Write(ref _total, 0);
    }

    private static int IndexOf(long value)
    {
        var shift = Math.Max(0, 63 - BitOperations.LeadingZeroCount((ulong)value | 1) - SubBits);
        return (shift << SubBits) + (int)(value >> shift);
    }

    private static long HighestOf(int index)
    {
        var shift = Math.Max(0, (index >> SubBits) - 1);
        return ((index - ((long)shift << SubBits) + 1) << shift) - 1;
    }
}
