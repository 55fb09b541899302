using Wayang.Fast.Client;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Preempt;

/// <summary>
/// How long an urgent call waits where two slots are taken by tasks of 100 ms and 1,200 more wait, and what its victims lose. By turns the batch
/// tasks run undisturbed, which gives the bound (without preemption nobody can begin before one of them ends), and beside urgent calls.
/// </summary>
internal sealed class PreemptSuite : Suite
{
    private const int Seed = 20_261_126;
    private const int Instants = 2_000; // of each undisturbed turn, at which somebody might have come
    private const int Fewest = 10;
    private const int MostTurns = 12;

    public override string Name => "preempt";

    public override IReadOnlyList<Measurement> Run(SuiteContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<IReadOnlyList<Measurement>> RunAsync(SuiteContext context)
    {
        context.Tell("urgent calls beside two slots of 100 ms tasks, 1,200 waiting");
        using var node = new InstalledRuntime(
            context, "preempt",
            new Dictionary<string, string>(StringComparer.Ordinal) { ["WAYANG__LIMITS__CONCURRENT_TASKS"] = "2", ["WAYANG__HTTP_PORT"] = "0" },
            static line =>
            {
                if (line is not null)
                {
                    Console.Error.WriteLine(line);
                }
            });
        await using var client = await node.ConnectAsync();
        if (!(await client.NodeInfoAsync()).Features.Contains("Freezer", StringComparer.Ordinal))
        {
            context.Tell("no freezer for control groups on this host: nothing is preempted, nothing can be measured");
            return [];
        }

        var plugin = await File.ReadAllBytesAsync(Path.Combine(context.References, "perf_plugin.so"));

        // Another content, so workers of its own, as another program's would be.
        var urgent = (await client.PutImageAsync("c", (byte[])[.. plugin, 0], "urgent")).Image;
        using var probe = new UrgentProbe(Path.Combine(node.Directory, "wayang.sock"), urgent, Seed);
        probe.Call(); // starts its worker
        var load = await Saturation.BeginAsync(client, (await client.PutImageAsync("c", plugin, "batch")).Image);
        var figures = await MeasureAsync(context, client, load, probe);
        return node.HasEnded ? throw new PerfException("the keeper ended meanwhile") : figures.Results(context.Rounds);
    }

    private static async Task<PreemptFigures> MeasureAsync(SuiteContext context, WayangClient client, Saturation load, UrgentProbe probe)
    {
        var figures = new PreemptFigures();
        var time = TimeSpan.FromSeconds(context.Quick ? 2.5 : 8);
        var random = new Random(Seed);
        probe.CallFor(time / 2); // warms up
        await load.TakeEndedAsync();
        for (var round = 0; round < context.Rounds; round++)
        {
            figures.AddUndisturbed(await UndisturbedAsync(load, time), random, Instants);
            figures.AddUrgent(probe.CallFor(time));
            figures.AddVictims(await load.TakeEndedAsync());
        }

        var stats = await client.NodeStatsAsync();
        var refused = stats.Where(static s => s.Value > 0 && s.Key.StartsWith("preemption_refused", StringComparison.Ordinal)).Select(static s => $"{s.Key} {s.Value}");
        context.Tell($"done: {stats["preemption_freezes"]} freezes; {string.Join(", ", refused)}");
        return figures;
    }

    /// <summary>Lets the batch tasks alone for a while, and on until some have ended: beside other programs they get little.</summary>
    private static async Task<IReadOnlyList<BatchEnd>> UndisturbedAsync(Saturation load, TimeSpan time)
    {
        var ended = new List<BatchEnd>();
        for (var turns = 0; ended.Count < Fewest; turns++)
        {
            await Task.Delay(turns < MostTurns ? time : throw new PerfException($"only {ended.Count} batch tasks ended in {MostTurns * time.TotalSeconds} s: this machine is too busy to measure anything"));
            ended.AddRange(await load.TakeEndedAsync());
        }

        return ended;
    }
}
