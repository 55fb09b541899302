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
        IReadOnlyList<Bomb> alone = [.. Bomb.All, Bomb.Starts];
        var known = alone.Select(static b => Bomb.KeyOf(b.Title)).Append(Bomb.KeyOf(Bomb.AllTitle)).ToList();
        if (context.Only.FirstOrDefault(name => !known.Contains(name, StringComparer.Ordinal)) is { } unknown)
        {
            throw new PerfException($"--only: no bomb is called {unknown}; there are {string.Join(", ", known)}");
        }

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
        foreach (var bomb in alone.Where(b => IsWanted(b.Title)))
        {
            await BesideAsync([bomb], copies: 2, bomb.Title, 10);
        }

        if (IsWanted(Bomb.AllTitle))
        {
            await BesideAsync(alone, copies: 1, Bomb.AllTitle, 20);
        }

        await stage.HoldAsync("(none again)", null, Seconds(context, 10));
        return node.HasEnded ? throw new PerfException("the keeper ended beside the bombs") : table.Results();

        bool IsWanted(string title) => context.Only.Count == 0 || context.Only.Contains(Bomb.KeyOf(title), StringComparer.Ordinal);

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
