using System.Runtime.InteropServices;

namespace Wayang.Fast.Perf.Harness;

/// <summary>What a measured side counts: a disturbed machine makes times longer and rates smaller.</summary>
public enum Quantity
{
    Time,
    Rate,
}

/// <summary>Medians of value and limit, taken by turns in one run: what slows the machine slows both.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Rounds(double Value, double Limit, double Ratio, int Count)
{
    /// <summary>A round whose limit is over twice as slow as the best one met a disturbed machine and says nothing.</summary>
    private const double DisturbedFactor = 2.0;

    /// <summary>The limit right before and right after a value must agree so far: else the machine changed in between.</summary>
    private const double ChangedFactor = 1.3;

    // Rounds that are tried for each one that is wanted; a machine that never rests gives the rounds that it gives.
    private const int Patience = 3;

    /// <summary>
    /// For values that hang on how long a cache line travels, which on a virtual machine jumps by half a dozen times for seconds at a
    /// time: the limit is measured before and after each value, and a round counts only when the two agree.
    /// </summary>
    public static Rounds Bracket(int rounds, Quantity limitIs, Func<double> value, Func<double> limit)
    {
        var pairs = new List<(double Value, double Limit)>(rounds);
        var changed = new List<(double Value, double Limit)>(rounds);
        value(); // warms up
        for (var tries = 0; tries < rounds * Patience && pairs.Count < rounds; tries++)
        {
            var before = limit();
            var measured = value();
            var after = limit();
            var agree = Math.Max(before, after) / Math.Min(before, after) <= ChangedFactor;
            (agree ? pairs : changed).Add((measured, (before + after) / 2));
        }

        return From(pairs.Count > 0 ? pairs : changed, limitIs);
    }

    /// <summary>Measures limit and value by turns; who goes first changes each round. The first round warms up and is
    /// not counted.</summary>
    public static Rounds Interleave(int rounds, Quantity limitIs, Func<double> value, Func<double> limit)
    {
        var pairs = new List<(double Value, double Limit)>(rounds);
        for (var round = 0; round <= rounds; round++)
        {
            double measured, bound;
            if (round % 2 == 0)
            {
                bound = limit();
                measured = value();
            }
            else
            {
                measured = value();
                bound = limit();
            }

            if (round > 0)
            {
                pairs.Add((measured, bound));
            }
        }

        return From(pairs, limitIs);
    }

    public static Rounds From(IReadOnlyList<(double Value, double Limit)> pairs, Quantity limitIs)
    {
        var best = limitIs == Quantity.Time ? pairs.Min(pair => pair.Limit) : pairs.Max(pair => pair.Limit);
        var calm = pairs.Where(pair => (limitIs == Quantity.Time ? pair.Limit / best : best / pair.Limit) <= DisturbedFactor).ToList();
        return new Rounds(
            Median(calm.Select(pair => pair.Value)),
            Median(calm.Select(pair => pair.Limit)),
            Median(calm.Select(pair => pair.Value / pair.Limit)),
            calm.Count);
    }

    public static double Median(IEnumerable<double> samples)
    {
        var sorted = samples.Order().ToList();
        if (sorted.Count == 0)
        {
            throw new InvalidOperationException("a median needs at least one sample");
        }

        var middle = sorted.Count / 2;
        return sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
