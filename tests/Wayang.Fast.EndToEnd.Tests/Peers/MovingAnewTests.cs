using System.Globalization;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>
/// Calls that cannot be written down move, too: with what they saved, or to begin anew. Their images need not be open for moves, so under any profile.
/// </summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class MovingAnewTests
{
    private const int Bound = 600_000;

    // Some seconds.
    private const long Numbers = 4_000_000_000;

    // Most of one.
    private const long Fewer = 600_000_000;

    private const string Profile = "standard";

    [Fact(Timeout = Bound)]
    public async Task One_that_saves_its_state_goes_on_from_it_at_another_node_and_comes_home()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await BeginAsync(client, Numbers, TaskMigration.Cooperative);
        var moves = await client.MigrateAsync(id, MovingNodes.Host);
        Assert.Equal((MovingNodes.Host, 1, 4L + 10 + 16), (moves.Node, moves.Times, moves.Bytes)); // its attempt, its input, its state
        await using var there = await nodes.ConnectAsync(MovingNodes.Host);
        var visit = await there.GetAsync(id);
        Assert.Equal((MovingNodes.Home, TaskState.Running, 2, 16), (visit.Life?.Home, visit.State, visit.Life?.Attempt, visit.Life?.Saved?.Bytes));
        Assert.Equal((TaskState.Running, MovingNodes.Host), ((await client.GetAsync(id)).State, (await client.GetAsync(id)).Life?.Moves?.Node));
        Assert.Contains("from what it had saved", (await client.ExplainAsync(id)).Text, StringComparison.Ordinal);
        var back = await MovingNodes.MoveAsync(client, id, null);
        Assert.True(back is { Node: null, Times: 2, Bytes: 4 + 16 }, back?.ToString());
        Assert.Equal((3, 16), ((await client.GetAsync(id)).Life?.Attempt, (await client.GetAsync(id)).Life?.Saved?.Bytes));
        await AssertSumAsync(client, id, Numbers);
        Assert.Equal(1, (await client.GetAsync(id)).Life?.MaxAttempts); // none of them is one of its terms
        await AssertCleanAsync(nodes);
    }

    [Fact(Timeout = Bound)]
    public async Task One_that_may_begin_anew_does_so_at_another_node()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await BeginAsync(client, Numbers, TaskMigration.Restart);
        Assert.Equal(MovingNodes.Host, (await MovingNodes.MoveAsync(client, id, MovingNodes.Host))?.Node);
        Assert.Contains("begins anew", (await client.ExplainAsync(id)).Text, StringComparison.Ordinal);
        var back = await MovingNodes.MoveAsync(client, id, MovingNodes.Home);
        Assert.True(back is { Node: null, Times: 2, Bytes: 4 }, back?.ToString());
        await client.CancelAsync(id);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);
        await AssertCleanAsync(nodes);
    }

    [Fact(Timeout = Bound)]
    public async Task One_that_does_not_answer_or_is_to_stay_is_refused_and_goes_on_and_a_cancel_reaches_it_anywhere()
    {
        await using var nodes = await StartAsync(", yield_ms: 400");
        await using var client = await nodes.ConnectAsync();
        var deaf = await BeginAsync(client, 0, TaskMigration.Cooperative, "until_cancelled");
        await RefusedAsync(client, deaf, MovingNodes.Host, ErrorCode.Conflict, "migration.yield_ms");
        Assert.Equal(TaskState.Running, (await client.GetAsync(deaf)).State);
        var staying = await BeginAsync(client, 0, TaskMigration.Never, "until_cancelled");
        await RefusedAsync(client, staying, MovingNodes.Host, ErrorCode.Unsupported, "migration: never");
        var plugin = Path.Combine(Path.GetDirectoryName(Installation.SlowPlugin)!, "slow_plugin.so");
        var known = await client.PutImageAsync("c", await File.ReadAllBytesAsync(plugin), "only-here");
        var alone = await SubmitAsync(client, TaskSpec.Call("only-here", known.Functions[0], "5000000 x"u8.ToArray()) with { Profile = Profile, Migration = TaskMigration.Cooperative });
        await Eventually.ValueAsync("it runs", async () => (await client.GetAsync(alone)).State == TaskState.Running ? "" : null);
        await RefusedAsync(client, alone, MovingNodes.Host, ErrorCode.NotFound, "no image"); // before anything of it was asked
        var here = await BeginAsync(client, Numbers * 1_000, TaskMigration.Cooperative);
        Assert.NotNull(await MovingNodes.MoveAsync(client, here, MovingNodes.Host));
        foreach (var id in (TaskId[])[deaf, staying, alone, here])
        {
            await client.CancelAsync(id);
            Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);
        }

        await AssertCleanAsync(nodes);
    }

    /// <summary>It may have had effects there: that attempt is lost as one whose worker is, and its terms say whether there is another.</summary>
    [Fact(Timeout = Bound)]
    public async Task With_its_host_the_attempt_is_lost_and_the_next_begins_from_what_was_saved_before()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var once = await BeginAsync(client, Numbers, TaskMigration.Cooperative);
        var again = await BeginAsync(client, Numbers, TaskMigration.Cooperative, attempts: 2);
        foreach (var id in (TaskId[])[once, again])
        {
            Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        }

        await HandoverKillTests.KillDaemonAsync(nodes[MovingNodes.Host]);
        var lost = await client.WaitAsync(once);
        Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (lost.State, lost.Cause.Type));
        Assert.Contains("node 'beta'", lost.Cause.Detail, StringComparison.Ordinal);
        await AssertSumAsync(client, again, Numbers);
        Assert.Equal(3, (await client.GetAsync(again)).Life?.Attempt); // the first gave its place back, the second was lost
    }

    [Fact(Timeout = Bound)]
    public async Task What_it_saves_there_is_at_home_soon_so_that_little_is_lost_with_the_host()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await BeginAsync(client, 6_000, TaskMigration.Cooperative, "count_on", attempts: 2);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        var before = (await client.GetAsync(id)).Life!.Saved!.Times;
        await Eventually.ValueAsync("some states have come", async () => (await client.GetAsync(id)).Life!.Saved!.Times > before + 1 ? "" : null);
        var info = await client.GetAsync(id);
        Assert.Equal((TaskState.Running, 8), (info.State, info.Life!.Saved!.Bytes));
        var left = ulong.Parse(info.Progress!.Text, CultureInfo.InvariantCulture); // where its attempt there began
        await HandoverKillTests.KillDaemonAsync(nodes[MovingNodes.Host]);
        var result = await client.WaitAsync(id);
        Assert.True(result.State == TaskState.Succeeded, $"{result.State}: {result.Cause}");
        Assert.True(BitConverter.ToUInt64(result.Output.Span) > left, $"the last attempt began at {BitConverter.ToUInt64(result.Output.Span)}, the one before at {left}");
    }

    [Fact(Timeout = Bound)]
    public async Task A_worker_that_dies_there_ends_the_attempt_as_one_here_would()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await BeginAsync(client, Numbers, TaskMigration.Cooperative, attempts: 2);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        Signals.Kill(nodes[MovingNodes.Host].Workers()[0].Pid);
        await AssertSumAsync(client, id, Numbers);
        var attempts = (await client.GetAsync(id)).Life!.Attempts;
        Assert.Equal([CauseType.Cancelled, CauseType.WorkerLost], attempts.Select(static a => a.Cause.Type));
        await AssertCleanAsync(nodes);
    }

    [Fact(Timeout = Bound)]
    public async Task A_drain_takes_them_along_and_a_drained_host_sends_them_home()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var saving = await BeginAsync(client, Numbers, TaskMigration.Cooperative);
        var anew = await BeginAsync(client, Numbers, TaskMigration.Restart);
        await Eventually.ValueAsync("they are away", async () => await client.DrainAsync(null, TimeSpan.FromMilliseconds(200)) is { State: DrainState.Idle, Away: 2 } ? "" : null);
        await client.UndoDrainAsync();
        await using var there = await nodes.ConnectAsync(MovingNodes.Host);
        Assert.Equal(DrainState.Drained, (await there.DrainAsync(null, TimeSpan.FromSeconds(60))).State);
        foreach (var id in (TaskId[])[saving, anew])
        {
            await AssertSumAsync(client, id, Numbers);
            Assert.Null((await client.GetAsync(id)).Life?.Moves?.Node);
        }

        await AssertCleanAsync(nodes);
    }

    [Fact(Timeout = Bound)]
    public async Task Before_a_host_ends_in_order_it_saves_and_goes_home()
    {
        await using var nodes = await StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await BeginAsync(client, Numbers, TaskMigration.Cooperative);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        Signals.Send("TERM", [nodes[MovingNodes.Host].Daemon]);
        await Eventually.ValueAsync("it is at home", async () => await client.GetAsync(id) is { Life.Moves.Node: null } ? "" : null);
        await AssertSumAsync(client, id, Numbers);
        Assert.Equal([CauseType.Cancelled, CauseType.Cancelled], (await client.GetAsync(id)).Life!.Attempts.Select(static a => a.Cause.Type)); // it gave its place back twice
    }

    [Fact(Timeout = Bound)]
    public async Task By_itself_a_node_moves_what_saves_its_state_and_not_what_would_begin_anew()
    {
        await using var nodes = await StartAsync(", auto: balance, auto_after_ms: 200", ofHome: "limits: {concurrent_tasks: 2}\n");
        await using var client = await nodes.ConnectAsync();
        var saving = await BeginAsync(client, Numbers, TaskMigration.Cooperative);
        var anew = await BeginAsync(client, Numbers * 1_000, TaskMigration.Restart);
        var waiting = await BeginAsync(client, Fewer, TaskMigration.Never); // it runs: there is a slot
        await Eventually.ValueAsync("it goes on at the peer", async () => (await client.GetAsync(saving)).Life?.Moves is { Node: MovingNodes.Host, Why: MoveReason.Balance } ? "" : null);
        Assert.Equal((TaskState.Running, null), ((await client.GetAsync(anew)).State, (await client.GetAsync(anew)).Life?.Moves?.Node)); // though it began last
        await AssertSumAsync(client, waiting, Fewer);
        await AssertSumAsync(client, saving, Numbers);
        await client.CancelAsync(anew);
        await client.WaitAsync(anew);
    }

    /// <summary>Durable, with attempts: whoever is killed wherever, it has one end, and the right one.</summary>
    [Theory(Timeout = Bound)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whoever_is_killed_at_whatever_step_it_has_its_one_end(bool host)
    {
        HandoverPoint[] points = host
            ? [HandoverPoint.HostOffered, HandoverPoint.HostReceiving, HandoverPoint.HostPrepared, HandoverPoint.HostAdopting, HandoverPoint.HostBegun, HandoverPoint.HostRecalled]
            : [HandoverPoint.HomeOffered, HandoverPoint.HomeWritten, HandoverPoint.HomeFenced, HandoverPoint.HomeCommitted, HandoverPoint.HomeAway, HandoverPoint.HomeFetched];
        await using var nodes = await StartAsync(leaseMs: 1_000);
        foreach (var point in points)
        {
            await nodes.KnowEachOtherAsync();
            await PutGoodAsync(nodes);
            TaskId id;
            await using (var client = await nodes.ConnectAsync())
            {
                id = await BeginAsync(client, Fewer, TaskMigration.Cooperative, attempts: 4, durable: true);
                var isBack = point is HandoverPoint.HomeFetched or HandoverPoint.HostRecalled;
                if (isBack)
                {
                    Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
                }

                nodes.Arm(point);
                var moved = MoveAsync(client, id, isBack ? null : MovingNodes.Host);
                await nodes.ReachedAsync(point);
                await HandoverKillTests.KillDaemonAsync(nodes[host ? MovingNodes.Host : MovingNodes.Home]);
                nodes.GoOn();
                await moved;
            }

            await HandoverKillTests.AwaitAsync(nodes, id);
            await using var after = await nodes.ConnectAsync();
            await AssertSumAsync(after, id, Fewer);
            Assert.Single((await after.ListEventsAsync(new EventQuery { Task = id, Type = "wayang.task.succeeded" })).Events);
        }

        await AssertCleanAsync(nodes);
    }

    /// <summary>Two nodes that have the image, which is not open for moves.</summary>
    private static async Task<MovingNodes> StartAsync(string ofMigration = "", int leaseMs = 2_000, string ofHome = "")
    {
        var nodes = await MovingNodes.StartAsync(leaseMs, ofHome: ofHome, ofMigration: ofMigration);
        await PutGoodAsync(nodes);
        return nodes;
    }

    private static async Task PutGoodAsync(MovingNodes nodes)
    {
        foreach (var name in (string[])[MovingNodes.Home, MovingNodes.Host])
        {
            await using var client = await nodes.ConnectAsync(name);
            await client.PutImageAsync("c", Plugins.Good, "good", TestContext.Current.CancellationToken);
        }
    }

    private static async Task<TaskId> BeginAsync(WayangClient client, long numbers, TaskMigration migration, string function = "sum", int attempts = 1, bool durable = false)
    {
        var spec = TaskSpec.Call("good", function, Encoding.ASCII.GetBytes(numbers.ToString(CultureInfo.InvariantCulture))) with
        {
            Profile = Profile, Migration = migration, Retry = attempts > 1 ? new RetrySpec(attempts) : null, Durable = durable ? true : null,
        };
        var id = await SubmitAsync(client, spec);
        await Eventually.ValueAsync($"{id} runs", async () => (await client.GetAsync(id, TestContext.Current.CancellationToken)).State >= TaskState.Running ? "" : null);
        return id;
    }

    /// <summary>Again while the image is being loaded under the profile.</summary>
    private static async Task<TaskId> SubmitAsync(WayangClient client, TaskSpec spec)
    {
        while (true)
        {
            try
            {
                return await client.SubmitAsync(spec, TestContext.Current.CancellationToken);
            }
            catch (WayangException loading) when (loading is { Code: ErrorCode.Unavailable, RetryAfter: { } pause })
            {
                await Task.Delay(pause, TestContext.Current.CancellationToken);
            }
        }
    }

    private static async Task AssertSumAsync(WayangClient client, TaskId id, long numbers)
    {
        var result = await client.WaitAsync(id, TimeSpan.FromSeconds(120));
        Assert.True(result.State == TaskState.Succeeded, $"{result.State}: {result.Cause}");
        Assert.Equal((UInt128)numbers * (UInt128)(numbers - 1) / 2, BitConverter.ToUInt64(result.Output.Span));
    }

    private static async Task RefusedAsync(WayangClient client, TaskId id, string node, ErrorCode code, string words)
    {
        var refused = await Assert.ThrowsAsync<WayangException>(() => client.MigrateAsync(id, node));
        Assert.True(refused.Code == code && refused.Message.Contains(words, StringComparison.Ordinal), $"{refused.Code}: {refused.Message}");
    }

    /// <summary>Whatever is said of the move: what counts is the task.</summary>
    private static async Task MoveAsync(WayangClient client, TaskId id, string? node)
    {
        try
        {
            await MovingNodes.MoveAsync(client, id, node);
        }
        catch (WayangException)
        {
            // Its node is gone, or it goes on where it was.
        }
    }

    private static async Task AssertCleanAsync(MovingNodes nodes)
    {
        foreach (var name in (string[])[MovingNodes.Home, MovingNodes.Host])
        {
            await using var client = await nodes.ConnectAsync(name);
            await Eventually.ValueAsync($"nothing is left at {name}", async () =>
                (await client.ListTasksAsync()).Count == 0 && await client.NodeStatsAsync() is var stats && stats["slots_in_use"] == 0 && stats["states_bytes"] == 0 ? "" : null);
        }
    }
}
