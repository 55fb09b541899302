using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Soak;

/// <summary>
/// Millions of mixed tasks through the installed runtime while its workers, zygotes and spawner are killed: every task ends once, nothing
/// grows, and the longest waits are explained. It measures the wait for dispatch, its p999 against its p50.
/// </summary>
internal sealed class SoakSuite : Suite
{
    private const long FullTasks = 3_000_000;
    private const long QuickTasks = 100_000;
    private const int LooksPerStatistics = 10; // they are garbage too
    private const string PythonModule = "def echo(data, ctx):\n    return data\n";
    public override string Name => "soak";

    public override IReadOnlyList<Measurement> Run(SuiteContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<IReadOnlyList<Measurement>> RunAsync(SuiteContext context)
    {
        var tasks = context.Tasks ?? (context.Quick ? QuickTasks : FullTasks);
        var seed = context.Seed ?? Environment.TickCount;
        context.Tell(string.Create(CultureInfo.InvariantCulture, $"{tasks:#,0} mixed tasks under kills, seed {seed}"));
        using var daemon = new SoakDaemon(context);
        await using var client = await daemon.ConnectAsync();
        var plugin = await client.PutImageAsync("c", await File.ReadAllBytesAsync(Path.Combine(context.Plugins, "plugins", "test_plugin.so")), "soak");
        var python = await TryPythonAsync(client);
        var load = new SoakLoad(client, plugin.Image, python, tasks, seed);
        var killer = new SoakKiller(daemon, seed, context.Quick);
        var sampler = new SoakSampler(daemon);
        var garbage = (await client.NodeStatsAsync()).GetValueOrDefault("garbage_made_bytes");
        var start = Stopwatch.GetTimestamp();
        var wall = DateTimeOffset.UtcNow;
        using var over = new CancellationTokenSource();
        var killing = killer.RunAsync(over.Token);
        var running = load.RunAsync(over.Token);
        await WatchAsync(daemon, client, load, killer, sampler, tasks, start, running);
        await running;
        var end = Stopwatch.GetTimestamp();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await over.CancelAsync();
        await killing;

        var incidents = await client.ListIncidentsAsync(256);
        var stats = await client.NodeStatsAsync();
        var ends = Enum.GetValues<TaskState>().Where(static s => s >= TaskState.Succeeded).Sum(s => stats[$"tasks_{s.ToString().ToLowerInvariant()}"]);
        Console.Out.WriteLine($"ended: {load.Summary}");
        Console.Out.WriteLine($"killed: {killer.Summary()}");
        var growth = sampler.Judge(Console.Out, out var growthMiB);
        Explain(load, killer, incidents, start, wall);
        daemon.Collections.Tell(Console.Out, start);
        var collections = daemon.Collections.Between(start, end);
        Require(load, tasks, ends, growth);
        var p50 = load.Waits.Quantile(0.5);
        var p999 = load.Waits.Quantile(0.999);
        return
        [
            new Measurement("soak.pause.p999", p999, "us", p50, p50 == 0 ? null : (double)p999 / p50, Better.Lower, 1),
            Measurement.ValueOnly("soak.rate", "tasks/s", Better.Higher, tasks / seconds, 1),
            Measurement.ValueOnly("soak.lost", "tasks", Better.Lower, load.Lost, 1),
            Measurement.ValueOnly("soak.kills", "processes", Better.Higher, killer.Kills.Count, 1),
            Measurement.ValueOnly("soak.rss.growth", "MiB", Better.Lower, growthMiB, 1),
            Measurement.ValueOnly("soak.garbage", "bytes/task", Better.Lower, (stats.GetValueOrDefault("garbage_made_bytes") - garbage) / (double)tasks, 1),
            Measurement.ValueOnly("soak.gc.count", "collections", Better.Lower, collections.Count, 1),
            Measurement.ValueOnly("soak.gc.pauses", "over 1 ms", Better.Lower, collections.Count(static c => c.LongestPauseMs > 1), 1),
            Measurement.ValueOnly("soak.gc.pause.worst", "ms", Better.Lower, collections.Select(static c => c.LongestPauseMs).DefaultIfEmpty().Max(), 1),
            Measurement.ValueOnly("soak.gc.promoted.worst", "bytes", Better.Lower, collections.Select(static c => c.PromotedBytes).DefaultIfEmpty().Max(), 1),
        ];
    }

    /// <summary>Null where the node loads no Python.</summary>
    private static async Task<string?> TryPythonAsync(WayangClient client)
    {
        try
        {
            return (await client.PutImageAsync("python", System.Text.Encoding.UTF8.GetBytes(PythonModule), "soak_py")).Image;
        }
        catch (WayangException refused)
        {
            Console.Error.WriteLine($"without Python calls: {refused.Message}");
            return null;
        }
    }

    /// <summary>A line and a sample each second, until the load is over.</summary>
    private static async Task WatchAsync(
        SoakDaemon daemon, WayangClient client, SoakLoad load, SoakKiller killer, SoakSampler sampler, long tasks, long start, Task running)
    {
        long before = 0;
        double garbage = 0;
        var looks = 0;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (!running.IsCompleted && await timer.WaitForNextTickAsync())
        {
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var ended = load.Ended;
            garbage = looks++ % LooksPerStatistics == 0 ? (await client.NodeStatsAsync()).GetValueOrDefault("garbage_standing_bytes") / (double)(1 << 20) : garbage;
            sampler.Take(seconds, garbage);
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{seconds,6:F0} s  {ended,11:#,0} of {tasks:#,0}  {ended - before,9:#,0}/s  killed {killer.Kills.Count}, lost {load.Lost}, wrong {load.Wrong.Count}"));
            before = ended;
            if (daemon.HasEnded)
            {
                throw new PerfException("the keeper ended during the soak");
            }
        }
    }

    private static void Require(SoakLoad load, long tasks, long ends, string? growth)
    {
        if (load.Wrong.Count > 0)
        {
            throw new PerfException($"tasks ended as they must not:{Environment.NewLine}{string.Join(Environment.NewLine, load.Wrong)}");
        }

        if (load.Ended != tasks || load.Admitted != tasks || ends != tasks)
        {
            throw new PerfException($"submitted {load.Admitted}, ended {load.Ended}, the node counted {ends} ends; {tasks} were wanted");
        }

        if (growth is not null)
        {
            throw new PerfException($"not flat: {growth}");
        }

        Console.Out.WriteLine($"submitted = ended = {tasks.ToString("#,0", CultureInfo.InvariantCulture)}, counted by the node and by the client; all flat");
    }

    /// <summary>How long after a kill a wait may still be its fault: a worker is forked anew, a zygote loads its image, a spawner is started.</summary>
    private static TimeSpan RecoveryOf(Role role) => role switch
    {
        Role.Spawner => TimeSpan.FromSeconds(5),
        Role.Zygote => TimeSpan.FromSeconds(2),
        _ => TimeSpan.FromMilliseconds(300),
    };

    /// <summary>The ten longest waits, each with what went on meanwhile.</summary>
    private static void Explain(SoakLoad load, SoakKiller killer, IReadOnlyList<IncidentInfo> incidents, long start, DateTimeOffset wall)
    {
        Console.Out.WriteLine("the ten longest waits for dispatch:");
        foreach (var wait in load.Worst)
        {
            var from = Stopwatch.GetElapsedTime(start, wait.Submitted);
            var until = from + TimeSpan.FromMicroseconds(wait.Microseconds);
            var causes = new List<string>();
            causes.AddRange(killer.Kills.Where(k => Stopwatch.GetElapsedTime(start, k.Before) is var at && at > from - RecoveryOf(k.Role) && at < until)
                .Select(k => string.Create(CultureInfo.InvariantCulture, $"recovery from the kill of a {k.Role.ToString().ToLowerInvariant()} at {Stopwatch.GetElapsedTime(start, k.Before).TotalSeconds:F2} s")));

            // The node's clock is the machine's, as ours is.
            causes.AddRange(incidents.Where(i => i.At - wall is var at && at > from && at - i.Duration < until)
                .Select(static i => string.Create(CultureInfo.InvariantCulture, $"{i.Kind} ({i.Duration.TotalMilliseconds:F1} ms): {i.Reason}")));
            if (causes.Count == 0)
            {
                causes.Add(wait.Class is TaskClass.Batch or TaskClass.Idle ? "higher classes went before it (strict priority)" : "slots were taken, or the processors were");
            }

            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {wait.Microseconds / 1000.0,9:F2} ms  {WireNames.Text(wait.Class),-7}{wait.Kind,-12} at {from.TotalSeconds,7:F2} s: {string.Join("; ", causes.Distinct(StringComparer.Ordinal).Take(4))}"));
        }
    }
}
