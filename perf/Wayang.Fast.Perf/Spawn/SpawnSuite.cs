using System.Globalization;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Spawn;

/// <summary>The value side: a runtime with no warm worker to spare.</summary>
public abstract class SpawnTarget : IDisposable
{
    /// <summary>Its workers are in control groups.</summary>
    public abstract bool HasGroups { get; }

    /// <summary>Microseconds from asking for a worker until its first task ended: fork, whole sandbox, call.</summary>
    public abstract double MeasureWorker();

    /// <summary>Null where the runtime was built without Python. Microseconds from asking for a fresh interpreter (json, re and
    /// hashlib preloaded) until its first call ended.</summary>
    public abstract double? MeasurePython();

    /// <summary>Microseconds of a task that runs /bin/true: submit to end, both streams captured to their ends.</summary>
    public abstract double MeasureExec();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

/// <summary>A fresh sandbox against bubblewrap and against the least that a C program needs for the same.</summary>
/// <param name="open">Starts a runtime; null measures the limits alone.</param>
/// <param name="openBare">Starts one that puts nothing into control groups.</param>
public sealed class SpawnSuite(Func<SuiteContext, SpawnTarget>? open, Func<SuiteContext, SpawnTarget> openBare) : Suite
{
    private const int NanosecondsPerMicrosecond = 1000;

    public override string Name => "spawn";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        var samples = context.Scale(40);
        var bubblewrap = Microseconds(context, "ref_bwrap_filter", samples);
        var execute = Microseconds(context, "ref_exec_true", samples);
        if (open is null)
        {
            return
            [
                Measurement.LimitOnly("spawn.worker", "us", Better.Lower, bubblewrap(), 1),
                Measurement.LimitOnly("exec.true", "us", Better.Lower, execute(), 1),
            ];
        }

        using var target = open(context);
        context.Tell("a fresh worker's first task");
        var worker = Rounds.Interleave(context.Rounds, Quantity.Time, () => Median(samples, target.MeasureWorker), bubblewrap);
        context.Tell("/bin/true as a task");
        var command = Rounds.Interleave(context.Rounds, Quantity.Time, () => Median(samples, target.MeasureExec), execute);
        List<Measurement> results =
        [
            Measurement.Of("spawn.worker", "us", Better.Lower, worker),
            Measurement.Of("exec.true", "us", Better.Lower, command),
            .. MeasureGroups(context, target, samples),
        ];
        if (target.MeasurePython() is null)
        {
            context.Tell("no Python: the runtime was built without it");
            return results;
        }

        context.Tell("a fresh interpreter's first call");
        var interpreter = Microseconds(context, "ref_python", samples);
        var python = Rounds.Interleave(context.Rounds, Quantity.Time, () => Median(samples, () => target.MeasurePython()!.Value), interpreter);
        results.Add(Measurement.Of("python.fresh", "us", Better.Lower, python));
        return results;
    }

    /// <summary>The same start with control groups and without.</summary>
    private IEnumerable<Measurement> MeasureGroups(SuiteContext context, SpawnTarget target, int samples)
    {
        if (!target.HasGroups)
        {
            context.Tell("no control groups on this host: what they cost cannot be measured");
            return [];
        }

        context.Tell("a fresh worker's first task with control groups, beside one without");
        using var bare = openBare(context);
        if (bare.HasGroups)
        {
            throw new PerfException("the spawner without groups has some");
        }

        var cost = Rounds.Interleave(context.Rounds, Quantity.Time, () => Median(samples, target.MeasureWorker), () => Median(samples, bare.MeasureWorker));
        return [Measurement.Of("limits.overhead", "us", Better.Lower, cost)];
    }

    /// <summary>Neither side is pinned: both are several processes that the kernel may spread.</summary>
    private static Func<double> Microseconds(SuiteContext context, string name, int samples)
    {
        var program = context.Reference(name);
        return () => program.MeasureNanoseconds("--iterations", samples.ToString(CultureInfo.InvariantCulture), "--json") / NanosecondsPerMicrosecond;
    }

    private static double Median(int samples, Func<double> measure) =>
        Rounds.Median(Enumerable.Range(0, samples).Select(_ => measure()).ToList());
}
