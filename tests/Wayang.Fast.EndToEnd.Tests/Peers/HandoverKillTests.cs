using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>
/// Whatever dies at whatever step of a hand-over: the call has one end, and that is the right one; nothing of it is left at either node. Some steps for each blow, all of them 50 times with
/// WAYANG_TEST_LONG=1.
/// </summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "RA4")]
public sealed class HandoverKillTests(ITestOutputHelper output)
{
    private const int Bound = 7_200_000;

    // A keeper starts a daemon again ten times a minute at most.
    private const int RoundsOfANode = 6;

    private static readonly bool s_long = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    // Most of a second: a call that ends before anybody heard that it had begun there is never told to have. The long form sends another then, and is done in half the time.
    private static readonly long s_numbers = s_long ? 120_000_000 : 240_000_000;
    private static readonly int s_tries = s_long ? 8 : 3;

    // Of each blow at each point, in the long form; fewer to spread it over several runs.
    private static readonly int s_rounds = !s_long ? 1 : int.TryParse(Environment.GetEnvironmentVariable("WAYANG_HANDOVER_ROUNDS"), System.Globalization.CultureInfo.InvariantCulture, out var asked) ? asked : 50;
    private static readonly HandoverPoint[] s_all = Enum.GetValues<HandoverPoint>();

    // Home may have nothing yet that the call could go on from when its worker dies (the host has all of it before home has closed its own file): it gets another attempt.
    private static readonly HandoverPoint[] s_withoutFile =
        [HandoverPoint.HomeOffered, HandoverPoint.HostOffered, HandoverPoint.HomeSending, HandoverPoint.HostReceiving, HandoverPoint.HostPrepared];

    public enum Blow
    {
        /// <summary>kill -9 of the home's daemon, which is started again.</summary>
        Home,

        /// <summary>kill -9 of the host's.</summary>
        Host,

        /// <summary>kill -9 of the host's spawner, with all its agents and workers.</summary>
        Spawner,

        /// <summary>The connection from home to the host.</summary>
        Wire,
    }

    [Fact(Timeout = Bound)]
    public Task Home_is_killed() => StrikeAsync(Blow.Home, s_long ? s_all :
        [HandoverPoint.HomeWritten, HandoverPoint.HomePrepared, HandoverPoint.HomeFenced, HandoverPoint.HomeCommitted, HandoverPoint.HomeEnded, HandoverPoint.HomeFetched]);

    [Fact(Timeout = Bound)]
    public Task The_host_is_killed() => StrikeAsync(Blow.Host, s_long ? s_all :
        [HandoverPoint.HostReceiving, HandoverPoint.HostPrepared, HandoverPoint.HomeFenced, HandoverPoint.HostAdopting, HandoverPoint.HostBegun, HandoverPoint.HostRecalled]);

    [Fact(Timeout = Bound)]
    public Task The_spawner_of_the_host_is_killed() => StrikeAsync(Blow.Spawner, s_long ? s_all : [HandoverPoint.HomeCommitted, HandoverPoint.HostAdopting, HandoverPoint.HomeAway]);

    [Fact(Timeout = Bound)]
    public Task The_connection_is_cut() => StrikeAsync(Blow.Wire, s_long ? s_all :
        [HandoverPoint.HomeSending, HandoverPoint.HomePrepared, HandoverPoint.HomeFenced, HandoverPoint.HostAdopting, HandoverPoint.HostEnded, HandoverPoint.HomeRecalled]);

    /// <summary>The worker that was made while the file was on its way is only a short cut.</summary>
    [Theory(Timeout = Bound)]
    [InlineData(HandoverPoint.HostPrepared)]
    [InlineData(HandoverPoint.HomeFenced)]
    [InlineData(HandoverPoint.HostAdopting)]
    public async Task The_worker_that_stands_by_is_killed(HandoverPoint point)
    {
        await using var nodes = await MovingNodes.StartAsync(leaseMs: 2_000);
        await using var client = await nodes.ConnectAsync();
        var wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", s_numbers))).Output.Span);
        for (var round = 0; round < s_rounds; round++)
        {
            var id = await MovingNodes.BeginAsync(client, "chain", s_numbers);
            nodes.Arm(point);
            var moved = client.MigrateAsync(id, MovingNodes.Host);
            await nodes.ReachedAsync(point);
            var standing = await Eventually.ValueAsync("a worker stands by", () => Task.FromResult(Standing(nodes) is { Count: > 0 } some ? some : null));
            Signals.KillIfThere(standing);
            await Eventually.TrueAsync("its end is known", () => standing.TrueForAll(pid => !nodes[MovingNodes.Host].BelowKeeper().Exists(p => p.Pid == pid)));
            nodes.GoOn();
            Assert.Equal((MovingNodes.Host, 1), ((await moved).Node, (await moved).Times));
            await using var there = await nodes.ConnectAsync(MovingNodes.Host);
            Assert.Contains("\"ahead\":false", await MovingNodes.ContinuedAsync(there, id), StringComparison.Ordinal); // from the file
            var result = await client.WaitAsync(id);
            Assert.Equal((TaskState.Succeeded, wanted), (result.State, Convert.ToHexString(result.Output.Span)));
        }

        await AssertCleanAsync(nodes);
    }

    /// <summary>The host's workers: there are none but those that are made of a call's memory.</summary>
    private static List<int> Standing(MovingNodes nodes) =>
        [.. nodes[MovingNodes.Host].BelowSpawner().Where(static p => p.NamespaceDepth == 3 && !p.IsZombie && string.Equals(p.Name, "wayang-zygote", StringComparison.Ordinal)).Select(static p => p.Pid)];

    private async Task StrikeAsync(Blow blow, HandoverPoint[] points)
    {
        var steps = Enumerable.Repeat(points, s_rounds).SelectMany(static p => p).ToList();
        var done = 0;
        foreach (var some in steps.Chunk(RoundsOfANode))
        {
            CutWire? wire = null;
            await using var nodes = await MovingNodes.StartAsync(leaseMs: 1_000, through: (name, port) =>
                blow == Blow.Wire && name == MovingNodes.Host ? (wire ??= new CutWire(port)).Port : port);
            string wanted;
            await using (var client = await nodes.ConnectAsync())
            {
                wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", s_numbers))).Output.Span);
            }

            foreach (var point in some)
            {
                await RoundAsync(nodes, blow, point, wire, wanted);
            }

            await AssertCleanAsync(nodes);
            if (wire is not null)
            {
                await wire.DisposeAsync();
            }

            done += some.Length;
            if (s_long)
            {
                output.WriteLine($"{done} of {steps.Count} blows: {blow}");
            }
        }

        output.WriteLine($"{steps.Count} blows: {blow} at {string.Join(", ", points)}");
    }

    private static async Task RoundAsync(MovingNodes nodes, Blow blow, HandoverPoint point, CutWire? wire, string wanted)
    {
        await nodes.KnowEachOtherAsync();
        TaskId id;
        var client = await nodes.ConnectAsync();
        await using (client)
        {
            (id, var moved) = await SendAsync(nodes, client, blow, point);
            await HitAsync(nodes, blow, wire);
            nodes.GoOn();
            await moved;
        }

        var result = await AwaitAsync(nodes, id);
        Assert.True(
            result.State == TaskState.Succeeded && Convert.ToHexString(result.Output.Span) == wanted,
            $"{blow} at {point}: {result.State} {result.Cause}\n{nodes[MovingNodes.Home].Processes.Log}\n{nodes[MovingNodes.Host].Processes.Log}");
        if (blow == Blow.Home)
        {
            await using var after = await nodes.ConnectAsync();
            var ends = await after.ListEventsAsync(new EventQuery { Task = id, Type = "wayang.task.succeeded" });
            Assert.Single(ends.Events);
            var attempt = (await after.GetAsync(id)).Life?.Attempt ?? 1;
            Assert.True(attempt == 1 || s_withoutFile.Contains(point), $"{blow} at {point}: attempt {attempt} of a call whose memory was on the disk");
        }
    }

    /// <summary>
    /// A call that stands at a point of its way. With leases of a second a machine that stands still for one is a lost host: its call stays at home, or goes on
    /// there, and ends without having been at the point; then another is sent.
    /// </summary>
    private static async Task<(TaskId Id, Task<string?> Moved)> SendAsync(MovingNodes nodes, WayangClient client, Blow blow, HandoverPoint point)
    {
        var isBack = point is HandoverPoint.HomeRecalled or HandoverPoint.HomeFetched or HandoverPoint.HostRecalled;
        for (var tries = 1; ; tries++)
        {
            var id = await MovingNodes.BeginAsync(client, "chain", s_numbers, durable: blow == Blow.Home, attempts: blow == Blow.Home ? 2 : 1);
            if (isBack)
            {
                await MovingNodes.MoveAsync(client, id, MovingNodes.Host);
            }

            nodes.Arm(point);
            var moved = MoveAsync(client, id, isBack ? null : MovingNodes.Host);
            var reached = nodes.ReachedAsync(point);
            var ended = client.WaitAsync(id);
            var first = await Task.WhenAny(reached, ended);
            _ = Task.WhenAll(reached, ended).ContinueWith(static t => t.Exception, TaskScheduler.Default); // seen, whatever becomes of the other
            if (first == reached)
            {
                await reached;
                return (id, moved);
            }

            var why = $"the call is {(await ended).State} without it: {await moved ?? "it had moved"}";
            Assert.True(tries < s_tries, $"{blow} at {point} was not reached: {why}");
            TestContext.Current.TestOutputHelper?.WriteLine($"{blow} at {point}, once more: {why}");
        }
    }

    private static async Task HitAsync(MovingNodes nodes, Blow blow, CutWire? wire)
    {
        switch (blow)
        {
            case Blow.Home:
                await KillDaemonAsync(nodes[MovingNodes.Home]);
                break;
            case Blow.Host:
                await KillDaemonAsync(nodes[MovingNodes.Host]);
                break;
            case Blow.Spawner:
                Signals.Kill(nodes[MovingNodes.Host].Spawner);
                break;
            default:
                wire!.Cut();
                await Task.Delay(100); // cut for a moment: the length is the test's input
                wire.Mend();
                break;
        }
    }

    /// <summary>Returns when it is gone: who connects then finds the next one.</summary>
    internal static async Task KillDaemonAsync(RuntimeUnderTest node)
    {
        var daemon = node.Daemon;
        Signals.Kill(daemon);
        await Eventually.TrueAsync("the daemon is gone", () => node.BelowKeeper().TrueForAll(p => p.Pid != daemon || p.IsZombie));
    }

    /// <summary>Whatever is said of the move: what counts is the task.</summary>
    /// <returns>Null: it moved, or has ended. Else why not: the task goes on where it was, or its node is gone.</returns>
    private static async Task<string?> MoveAsync(WayangClient client, TaskId id, string? node)
    {
        try
        {
            await MovingNodes.MoveAsync(client, id, node);
            return null;
        }
        catch (WayangException refused)
        {
            return refused.Message;
        }
    }

    /// <summary>A node that was just started takes a moment to know its tasks, and one that was killed a moment to be gone with all its threads.</summary>
    internal static Task<TaskResult> AwaitAsync(MovingNodes nodes, TaskId id) => Eventually.ValueAsync($"{id} is waited for", async () =>
    {
        try
        {
            await using var client = await nodes.ConnectAsync();
            return await client.WaitAsync(id, TimeSpan.FromSeconds(60));
        }
        catch (WayangException early) when (early.Code is ErrorCode.Unavailable or ErrorCode.NodeLost)
        {
            return null;
        }
    });

    private static async Task AssertCleanAsync(MovingNodes nodes)
    {
        await Eventually.EmptyAsync("files of calls", () => [.. nodes.FilesOf(MovingNodes.Home), .. nodes.FilesOf(MovingNodes.Host)]);
        foreach (var name in (string[])[MovingNodes.Home, MovingNodes.Host])
        {
            Assert.DoesNotContain("Unhandled exception", nodes[name].Processes.Log, StringComparison.Ordinal); // a daemon that ends by itself is started again, too
            await using var client = await nodes.ConnectAsync(name);
            await Eventually.ValueAsync($"nothing runs at {name}", async () =>
                (await client.ListTasksAsync()).Count == 0 && (await client.ListWorkersAsync()).All(static w => w.InFlight == 0) ? "" : null);
        }
    }
}
