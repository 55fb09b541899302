using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Suites;

/// <summary>The daemon's scheduler against a lock around a priority queue, the same threads.</summary>
/// <param name="measure">Rounds of both by turns: (quick, pin) to medians in nanoseconds a pair.</param>
public sealed class SchedulerPairSuite(Func<bool, Action<int>, IReadOnlyList<(string Name, double ValueNs, double LimitNs)>>? measure) : Suite
{
    public override string Name => "scheduler";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        if (measure is null)
        {
            throw new PerfException("the scheduler suite is not connected in Composition.cs");
        }

        context.Tell("enqueue and dispatch, a million queued");
        return
        [
            .. measure(context.Quick, context.Pin ?? (static _ => { })).Select(row =>
                new Measurement(row.Name, row.ValueNs, "ns", row.LimitNs, row.ValueNs / row.LimitNs, Better.Lower, context.Rounds)),
        ];
    }
}
