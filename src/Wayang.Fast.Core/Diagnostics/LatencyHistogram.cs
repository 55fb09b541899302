using System.Numerics;

namespace Wayang.Fast.Core.Diagnostics;

/// <summary>
/// Counts of values in buckets that grow with the value (as HdrHistogram does): exact below twice <see cref="BucketsPerDoubling"/>,
/// then that many buckets to each doubling, so a quantile is at most one part in so many too high: 1.6 % with 64 buckets (the
/// default, 22.5 KiB), 12.5 % with 8 (3 KiB). The unit is the caller's; values over 2^50 (13 days in nanoseconds) count as that.
/// <para>One writer at a time, and readers that wait for nobody: each count is one aligned word, so it is never torn, and counts only grow.
/// A reader adds the buckets up itself and takes that as the number of values: what it tells is always some whole set of
/// values, of which the very last ones recorded meanwhile may be missing. Only the sum may be a value ahead of the
/// buckets, or behind.</para>
/// </summary>
public sealed class LatencyHistogram
{
    /// <summary>Anything over this counts as this.</summary>
    public const long MaxValue = (1L << MaxBits) - 1;

    private const int MaxBits = 50;
    private const int DefaultSubBits = 6;

    private readonly int _subBits;
    private readonly long[] _counts;
    private long _sum;
    private long _max;

    public LatencyHistogram()
        : this(DefaultSubBits)
    {
    }

    private LatencyHistogram(int subBits)
    {
        _subBits = subBits;
        _counts = new long[(MaxBits - subBits + 1) << subBits];
    }

    public int BucketsPerDoubling => 1 << _subBits;

    /// <summary>How many values there are; adds up the buckets.</summary>
    public long Total
    {
        get
        {
            long total = 0;
            foreach (ref readonly var count in _counts.AsSpan())
            {
                total += Volatile.Read(in count);
            }

            return total;
        }
    }

    public long Max => Volatile.Read(ref _max);

    public long Sum => Volatile.Read(ref _sum);

    public double Mean => Total is > 0 and var total ? (double)Sum / total : 0;

    /// <summary>A small one, for what there are many of: 3 KiB, quantiles at most 12.5 % too high.</summary>
    public static LatencyHistogram Coarse() => new(3);

    /// <summary>Adds one value; negative ones (a clock that stepped) count as 0. Allocates nothing, and is a few plain stores.</summary>
    public void Record(long value)
    {
        value = Math.Clamp(value, 0, MaxValue);
        _counts[IndexOf(value)]++;
        _sum += value;
        if (value > _max)
        {
            _max = value;
        }
    }

    /// <summary>The value that at least the fraction <paramref name="quantile"/> of all values is at or below; 0 when there are none.</summary>
    public long Quantile(double quantile)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quantile, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quantile, 1);
        var wanted = Math.Max(1, (long)Math.Ceiling(quantile * Total));
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += Volatile.Read(ref _counts[i]);
            if (seen >= wanted)
            {
                return Math.Min(HighestOf(i), Max);
            }
        }

        return 0;
    }

    /// <summary>
    /// How many values are at or below each of <paramref name="bounds"/> (ascending), and how many there are in all. A bucket that a
    /// bound divides counts as below it: the bound is exact to the histogram's precision.
    /// </summary>
    public long CountAtMost(ReadOnlySpan<long> bounds, Span<long> counts)
    {
        long seen = 0;
        var next = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            while (next < bounds.Length && LowestOf(i) > bounds[next])
            {
                counts[next++] = seen;
            }

            seen += Volatile.Read(ref _counts[i]);
        }

        counts[next..bounds.Length].Fill(seen);
        return seen;
    }

    /// <summary>Adds another one's counts, of the same precision. The caller is this one's writer.</summary>
    public void Merge(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        ArgumentOutOfRangeException.ThrowIfNotEqual(other._subBits, _subBits, nameof(other));
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += Volatile.Read(ref other._counts[i]);
        }

        _sum += other.Sum;
        _max = Math.Max(_max, other.Max);
    }

    /// <summary>A copy; values recorded meanwhile may be in it or not.</summary>
    public LatencyHistogram Snapshot()
    {
        var copy = new LatencyHistogram(_subBits);
        copy.Merge(this);
        return copy;
    }

    /// <summary>Forgets everything. The writer's.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        _sum = 0;
        _max = 0;
    }

    private int IndexOf(long value)
    {
        var shift = Math.Max(0, 63 - BitOperations.LeadingZeroCount((ulong)value | 1) - _subBits);
        return (shift << _subBits) + (int)(value >> shift);
    }

    private long HighestOf(int index) => LowestOf(index + 1) - 1;

    private long LowestOf(int index)
    {
        var shift = Math.Max(0, (index >> _subBits) - 1);
        return (index - ((long)shift << _subBits)) << shift;
    }
}
