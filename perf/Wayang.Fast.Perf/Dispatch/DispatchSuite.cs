using System.Globalization;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Dispatch;

/// <summary>How the two sides of the rings wait.</summary>
public enum DispatchMode
{
    /// <summary>Spin budget 0: every wait sleeps.</summary>
    Blocked,

    /// <summary>Never sleeps while tasks flow.</summary>
    Spin,

    /// <summary>As shipped.</summary>
    Default,

    /// <summary>As <see cref="Blocked"/>, the function in Python.</summary>
    Python,
}

/// <summary>The value side: the whole path, submit to end, with one worker on <see cref="SuiteContext.FarCpu"/> and
/// submitter and completion loop on <see cref="SuiteContext.NearCpu"/>. The next submit comes from the continuation.</summary>
public abstract class DispatchTarget : IDisposable
{
    /// <summary>Nanoseconds of one task, one in flight, of <paramref name="bytes"/> payload each way: the median of batches.</summary>
    public abstract double MeasureRoundTrip(int bytes, int tasks);

    /// <summary>Tasks per second with <paramref name="window"/> in flight.</summary>
    public abstract double MeasureThroughput(int window, int tasks);

    /// <summary>Managed bytes allocated per task in steady state, by the whole process.</summary>
    public abstract double MeasureAllocation(int tasks);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>Submit to completion against what the machine's memory and its futexes allow.</summary>
/// <param name="open">Starts a runtime in a mode; null measures the limits alone.</param>
public sealed class DispatchSuite(Func<SuiteContext, DispatchMode, DispatchTarget>? open) : Suite
{
    private const int PayloadBytes = 48; // what travels inside a slot
    private const int Window = 64;

    public override string Name => "dispatch";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        var futex = context.PingPong("ref_futex_pingpong", context.Scale(2_000));
        var line = context.PingPong("ref_line_pingpong", context.Scale(200_000));
        var payload = context.PingPong("ref_payload_pingpong", context.Scale(200_000), PayloadBytes.ToString(CultureInfo.InvariantCulture));
        if (open is null)
        {
            return
            [
                Measurement.LimitOnly("dispatch.blocked.rtt", "ns", Better.Lower, futex(), 1),
                Measurement.LimitOnly("dispatch.spin.rtt", "ns", Better.Lower, payload(), 1),
                Measurement.LimitOnly("dispatch.spin.throughput", "ns", Better.Lower, line(), 1),
            ];
        }

        var results = new List<Measurement>();
        // First: a runtime that spins does so from its start, and the compiler makes the code after what it has seen.
        using (var spinning = open(context, DispatchMode.Spin))
        {
            context.Tell("dispatch, spinning");
            var (few, many) = (context.Scale(400_000), context.Scale(1_000_000));
            results.Add(Measurement.Of("dispatch.spin.rtt", "ns", Better.Lower, Rounds.Bracket(
                context.Rounds, Quantity.Time, () => spinning.MeasureRoundTrip(PayloadBytes, few), payload)));
            results.Add(Measurement.Of("dispatch.spin.throughput", "tasks/s", Better.Higher, Rounds.Bracket(
                context.Rounds, Quantity.Rate, () => spinning.MeasureThroughput(Window, many), () => 1e9 / line())));
        }

        using (var blocked = open(context, DispatchMode.Blocked))
        {
            context.Tell("dispatch, blocked");
            results.Add(RoundTrip(context, "dispatch.blocked.rtt", blocked, context.Scale(10_000), futex));
            results.Add(Throughput(context, "dispatch.blocked.throughput", blocked, context.Scale(200_000), futex));
        }

        if (PerfNode.HasPython(context))
        {
            using var python = open(context, DispatchMode.Python);
            context.Tell("a warm Python function");
            results.Add(RoundTrip(context, "python.warm.rtt", python, context.Scale(10_000), futex));
        }

        using (var shipped = open(context, DispatchMode.Default))
        {
            context.Tell("dispatch, as shipped");
            AddShipped(context, shipped, results);
        }

        return results;
    }

    private static Measurement RoundTrip(SuiteContext context, string name, DispatchTarget target, int tasks, Func<double> limit) =>
        Measurement.Of(name, "ns", Better.Lower, Rounds.Interleave(context.Rounds, Quantity.Time, () => target.MeasureRoundTrip(PayloadBytes, tasks), limit));

    /// <summary>Tasks per second over round trips per second: tasks in the time of one round trip.</summary>
    private static Measurement Throughput(SuiteContext context, string name, DispatchTarget target, int tasks, Func<double> limit) =>
        Measurement.Of(name, "tasks/s", Better.Higher, Rounds.Interleave(context.Rounds, Quantity.Rate, () => target.MeasureThroughput(Window, tasks), () => 1e9 / limit()));

    private static void AddShipped(SuiteContext context, DispatchTarget target, List<Measurement> results)
    {
        var rounds = context.Rounds;
        results.Add(Measurement.ValueOnly("dispatch.default.rtt", "ns", Better.Lower, Repeat(() => target.MeasureRoundTrip(PayloadBytes, context.Scale(10_000))), rounds));
        results.Add(Measurement.ValueOnly("dispatch.default.throughput", "tasks/s", Better.Higher, Repeat(() => target.MeasureThroughput(Window, context.Scale(200_000))), rounds));
        results.Add(Measurement.ValueOnly("alloc.per_task", "bytes", Better.Lower, target.MeasureAllocation(context.Scale(400_000)), 1));

        double Repeat(Func<double> measure) => Rounds.Median(Enumerable.Range(0, rounds).Select(_ => measure()).ToList());
    }
}
