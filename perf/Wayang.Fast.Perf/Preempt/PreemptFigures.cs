using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Preempt;

/// <summary>What all turns gave; quantiles of waits are taken over all of them, as a turn has too few for the 99th.</summary>
internal sealed class PreemptFigures
{
    private readonly List<double> _waits = []; // microseconds, as all below
    private readonly List<double> _bounds = [];
    private readonly List<(double Victims, double Alone)> _costs = []; // a turn each: what slows the machine slows both
    private double _alone;
    private int _victims;

    /// <summary>Without preemption whoever comes waits for the next end; how long is taken at random instants of the turn.</summary>
    public void AddUndisturbed(IReadOnlyList<BatchEnd> ended, Random random, int instants)
    {
        var ends = ended.Select(static t => t.Ended.UtcTicks).Order().ToList();

        _alone = Rounds.Median(ended.Where(static t => t.Freezes == 0).Select(static t => t.Microseconds));
        for (var i = 0; i < instants; i++)
        {
            var at = random.NextInt64(ends[0], ends[^1]);
            _bounds.Add((ends.First(e => e > at) - at) / (double)TimeSpan.TicksPerMicrosecond);
        }
    }

    public void AddUrgent(IEnumerable<double> waits) => _waits.AddRange(waits);

    /// <summary>The processor time of tasks that stood still meanwhile, beside that of tasks of the undisturbed turn before.</summary>
    public void AddVictims(IEnumerable<BatchEnd> ended)
    {
        var own = ended.Where(static t => t.Freezes > 0).Select(static t => t.Microseconds).ToList();
        if (own.Count > 0)
        {
            _victims += own.Count;
            _costs.Add((Rounds.Median(own), _alone));
        }
    }

    public IReadOnlyList<Measurement> Results(int rounds)
    {
        if (_costs.Count == 0)
        {
            throw new PerfException("no urgent call found all slots taken: nothing was preempted");
        }

        return
        [
            Of("urgent.wait.p50", Quantile(_waits, 0.5), Quantile(_bounds, 0.5), rounds),
            Of("urgent.wait.p99", Quantile(_waits, 0.99), Quantile(_bounds, 0.99), rounds),
            Measurement.Of("preempt.cost", "us", Better.Lower, Rounds.From(_costs, Quantity.Time)),
            Measurement.ValueOnly("preempt.victims", "tasks", Better.Higher, _victims, rounds),
        ];
    }

    private static Measurement Of(string name, double value, double limit, int rounds) => new(name, value, "us", limit, value / limit, Better.Lower, rounds);

    private static double Quantile(List<double> samples, double quantile)
    {
        samples.Sort();
        return samples.Count > 0 ? samples[Math.Min(samples.Count - 1, (int)(samples.Count * quantile))] : throw new PerfException("nothing was measured");
    }
}
