using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// What one tenant's bombs, of class batch and within ordinary limits, cost another tenant's warm calls and the node's own health: each bomb alone, then
/// all of them at once, in rounds, and each time without any right before. Beside it what the same bombs cost two threads that only exchange a byte.
/// </summary>
internal sealed class InterferenceSuite : Suite
{
    private const int Rounds = 3;
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(2);

    public override string Name => "interference";

    public override IReadOnlyList<Measurement> Run(SuiteContext context) => RunAsync(context).GetAwaiter().GetResult();

    private static async Task<IReadOnlyList<Measurement>> RunAsync(SuiteContext context)
    {
        IReadOnlyList<Bomb> together = [.. Bomb.All, Bomb.Starts];
        IReadOnlyList<Bomb> alone = [.. together, Bomb.Uploads];
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
        using var urgent = new CallProbe(node.SocketPath, image, TaskClass.Urgent, s_interval);
        using var normal = new CallProbe(node.SocketPath, other, TaskClass.Normal, s_interval);
        using var bare = new BareExchange(s_interval);
        Console.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"a call of each class every {s_interval.TotalMilliseconds} ms in the mean, the callers' threads {urgent.Priority}; late ones count from when they were due"));
        var stage = new Stage(urgent, normal, bare, ready);
        await stage.HoldAsync(Seconds(context, 20)); // warms up: until then the node still compiles what it runs most
        var table = new InterferenceTable(Console.Out);
        var program = Bomb.Program(context);
        IReadOnlyList<Bombing> bombings =
        [
            .. alone.Where(b => IsWanted(b.Title)).Select(static b => new Bombing(b.Title, [b], Copies: 2, b.IsNamed)),
            .. IsWanted(Bomb.AllTitle) ? [new Bombing(Bomb.AllTitle, together, Copies: 1, IsNamed: true)] : Array.Empty<Bombing>(),
        ];

        // Without a bomb right before each: what the machine does otherwise changes within minutes, and with the memory that bombs have touched.
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var bombing in bombings)
            {
                var idle = await stage.HoldAsync(Seconds(context, 3));
                await using var bombardment = new Bombardment(hostile, theirs, program);
                bombardment.Start(bombing.Bombs, bombing.Copies);
                var beside = await stage.HoldAsync(Seconds(context, 5));
                await bombardment.StopAsync();
                table.Add(bombing.Title, new InterferenceRound(idle, beside, bombardment.Ends, bombing.IsNamed));
            }
        }

        return node.HasEnded ? throw new PerfException("the keeper ended beside the bombs") : table.Results();

        bool IsWanted(string title) => context.Only.Count == 0 || context.Only.Contains(Bomb.KeyOf(title), StringComparer.Ordinal);
    }

    private static TimeSpan Seconds(SuiteContext context, int full) => TimeSpan.FromSeconds(context.Quick ? Math.Max(1.5, full / 3.0) : full);

    private sealed record Bombing(string Title, IReadOnlyList<Bomb> Bombs, int Copies, bool IsNamed);

    /// <summary>Where the callers are asked what they measured while something else went on.</summary>
    private sealed record Stage(CallProbe Urgent, CallProbe Normal, BareExchange Bare, ReadinessProbe Ready)
    {
        public async Task<InterferenceWindow> HoldAsync(TimeSpan time)
        {
            Urgent.Restart();
            Normal.Restart();
            Bare.Restart();
            Ready.TakeAndRestart();
            await Task.Delay(time);
            return new InterferenceWindow(Urgent.Take(), Normal.Take(), Bare.Take(), Ready.TakeAndRestart());
        }
    }
}
