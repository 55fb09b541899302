using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// What one tenant's bombs, of class batch and within ordinary limits, cost another tenant's warm calls and the node's own health: first without
/// any, then each bomb alone, then all of them at once.
/// </summary>
internal sealed class InterferenceSuite : Suite
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(2);

    public override string Name => "interference";

    public override IReadOnlyList<Measurement> Run(SuiteContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<IReadOnlyList<Measurement>> RunAsync(SuiteContext context)
    {
        context.Tell("warm calls beside bombs");
        using var node = new TwoTenants(context);
        await using var client = await node.ConnectAsync();
        await using var hostile = await node.ConnectHostileAsync();
        var plugin = await File.ReadAllBytesAsync(Path.Combine(context.References, "perf_plugin.so"));
        var image = (await client.PutImageAsync("c", plugin, "probe")).Image;

        // Another content, so other workers: each class is served by its own, as two programs' calls would be.
        var other = (await client.PutImageAsync("c", (byte[])[.. plugin, 0], "probe-normal")).Image;
        var theirs = (await hostile.PutImageAsync("c", plugin, "bombs")).Image;
        await using var ready = new ReadinessProbe(node.HttpPort);
        await ready.Ready.WaitAsync(TimeSpan.FromMinutes(1));
        using var urgent = new CallProbe(node.SocketPath, image, TaskClass.Urgent, s_interval, TimeSpan.Zero);
        using var normal = new CallProbe(node.SocketPath, other, TaskClass.Normal, s_interval, s_interval / 2);
        Console.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"a call of each class every {s_interval.TotalMilliseconds} ms, the callers' threads {urgent.Priority}; late ones count from when they were due"));
        await Task.Delay(Seconds(context, 5)); // warms up
        var table = new InterferenceTable(Console.Out);
        var stage = new Stage(urgent, normal, ready, table);
        await stage.HoldAsync("(none)", null, Seconds(context, 15));
        var program = Bomb.Program(context);
        foreach (var bomb in (IEnumerable<Bomb>)[.. Bomb.All, Bomb.Starts])
        {
            await BesideAsync([bomb], copies: 2, bomb.Title, 10);
        }

        await BesideAsync([.. Bomb.All, Bomb.Starts], copies: 1, "all at once", 20);
        await stage.HoldAsync("(none again)", null, Seconds(context, 10));
        return node.HasEnded ? throw new PerfException("the keeper ended beside the bombs") : table.Results();

        async Task BesideAsync(IReadOnlyList<Bomb> bombs, int copies, string title, int seconds)
        {
            await using var bombardment = new Bombardment(hostile, theirs, program);
            bombardment.Start(bombs, copies);
            await stage.HoldAsync(title, bombardment, Seconds(context, seconds));
        }
    }

    private static TimeSpan Seconds(SuiteContext context, int full) => TimeSpan.FromSeconds(context.Quick ? Math.Max(2.5, full / 4.0) : full);

    /// <summary>Where the callers are asked what they measured while something else went on.</summary>
    private sealed record Stage(CallProbe Urgent, CallProbe Normal, ReadinessProbe Ready, InterferenceTable Table)
    {
        public async Task HoldAsync(string title, Bombardment? bombardment, TimeSpan time)
        {
            Urgent.Restart();
            Normal.Restart();
            Ready.TakeAndRestart();
            await Task.Delay(time);
            LatencyHistogram urgent = Urgent.Take(), normal = Normal.Take();
            var ready = Ready.TakeAndRestart();
            if (bombardment is not null)
            {
                await bombardment.StopAsync();
            }

            Table.Add(new InterferenceRow(title, urgent, normal, ready, bombardment?.Ends ?? ""));
        }
    }
}
