using Wayang.Fast.Execution;
using Wayang.Fast.Ledger;
using Wayang.Fast.Perf.Dispatch;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Ledger;

/// <summary>What it costs that a task is stored before its submission is acknowledged, and what that costs those that are not.</summary>
internal sealed class LedgerSuite : Suite
{
    private const int Window = 64;

    public override string Name => "ledger";

    public override IReadOnlyList<Measurement> Run(SuiteContext context)
    {
        // In the build's folder: on a real file system, which a temporary one often is not.
        var folder = Directory.CreateDirectory(Path.Combine(context.Root, "out", $"perf-ledger-{Environment.ProcessId}"));
        try
        {
            return [.. Durable(context, folder.FullName), Interference(context, folder.FullName)];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<Measurement> Durable(SuiteContext context, string folder)
    {
        using var ledger = new RowSizes(SqliteLedger.Open(new LedgerOptions(Path.Combine(folder, "ledger.db")), TimeProvider.System));
        var options = new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0, CallConcurrency = Window, RetainTasks = 10_000 };
        using var node = new PerfNode(context, options, pinned: true, ledger: ledger);
        using var load = new DurableLoad(node, node.Resolve("echo"));
        load.MeasureRate(Window, 10 * Window); // warms up, and shows how large the rows are
        using var raw = new RawCommits(Path.Combine(folder, "raw.db"), ledger);
        context.Tell("durable submissions, 64 in flight");
        var many = Window * context.Scale(200);
        yield return Measurement.Of("ledger.submit", "submissions/s", Better.Higher, Rounds.Interleave(
            context.Rounds, Quantity.Rate, () => load.MeasureRate(Window, many), () => raw.MeasureRate(Window, many)));
        context.Tell("one durable submission");
        var few = context.Scale(400);
        yield return Measurement.Of("ledger.latency", "ns", Better.Lower, Rounds.Interleave(
            context.Rounds, Quantity.Time, () => load.MeasureLatency(few), () => raw.MeasureLatency(few)));
    }

    /// <summary>Tasks that are not durable, with one who submits durable ones all the time beside them, against a node without a ledger.</summary>
    private static Measurement Interference(SuiteContext context, string folder)
    {
        context.Tell("tasks beside durable ones");
        using var ledger = SqliteLedger.Open(new LedgerOptions(Path.Combine(folder, "beside.db")), TimeProvider.System);
        using var beside = new InProcessTarget(context, DispatchMode.Blocked, ledger);
        using var alone = new InProcessTarget(context, DispatchMode.Blocked);
        using var load = new DurableLoad(beside.Node, beside.Node.Resolve("echo"));
        var tasks = context.Scale(800_000);
        return Measurement.Of("ledger.interference", "tasks/s", Better.Higher, Rounds.Interleave(
            context.Rounds, Quantity.Rate, () => Beside(load, () => beside.MeasureThroughput(Window, tasks)), () => alone.MeasureThroughput(Window, tasks)));
    }

    private static double Beside(DurableLoad load, Func<double> measure)
    {
        using var stop = new CancellationTokenSource();
        var stored = 0;
        var submitter = new Thread(() => stored = load.RunUntil(stop.Token)) { IsBackground = true };
        submitter.Start();
        var value = measure();
        stop.Cancel();
        submitter.Join();
        return stored > 0 ? value : throw new PerfException("nothing was stored while the tasks ran");
    }
}
