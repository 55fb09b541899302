using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>A node that is drained takes nothing new, loses nothing of what it has, and says what it waits for; whatever dies meanwhile.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
public sealed class DrainTests
{
    private const int Bound = 600_000;

    // Some seconds: it is under way while the node drains.
    private const long Rounds = 400_000_000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact(Timeout = Bound)]
    public async Task Calls_go_to_the_peer_what_waits_follows_a_command_ends_here_and_nothing_new_is_taken()
    {
        await using var nodes = await MovingNodes.StartAsync(ofHome: "limits: {concurrent_tasks: 2}\n");
        await using var client = await nodes.ConnectAsync();
        var wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds / 10))).Output.Span);
        var command = await client.SubmitAsync(TaskSpec.Command("/bin/sleep", "600"));
        await Eventually.ValueAsync("the command runs", async () => (await client.GetAsync(command)).State == TaskState.Running ? "" : null);
        var calls = new List<TaskId> { await MovingNodes.BeginAsync(client, "chain", Rounds / 10) };
        while (calls.Count < 4)
        {
            calls.Add(await client.SubmitAsync(TaskSpec.Call("chains", "chain", System.Text.Encoding.ASCII.GetBytes((Rounds / 10).ToString(System.Globalization.CultureInfo.InvariantCulture)))));
        }

        var first = await client.DrainAsync(MovingNodes.Host, TimeSpan.Zero);
        Assert.Equal(DrainState.Draining, first.State);
        var refused = await Assert.ThrowsAsync<WayangException>(() => client.SubmitAsync(TaskSpec.Command("/bin/true")));
        Assert.True(refused.Code == ErrorCode.Unavailable && refused.Message.Contains("being drained", StringComparison.Ordinal), refused.Message);
        await using var there = await nodes.ConnectAsync(MovingNodes.Host);
        foreach (var call in calls)
        {
            var result = await client.WaitAsync(call, s_patience);
            Assert.Equal((TaskState.Succeeded, wanted), (result.State, Convert.ToHexString(result.Output.Span)));
        }

        var waits = await client.DrainAsync();
        Assert.True(waits is { State: DrainState.Draining, Running: 1, Queued: 0, Away: 0, Moved: > 0 }, waits.ToString());
        var stays = Assert.Single(waits.Staying);
        Assert.True(stays.Task == command && stays.Reason.Contains("a command", StringComparison.Ordinal), stays.ToString());
        await client.CancelAsync(command);
        Assert.Equal(DrainState.Drained, (await client.DrainAsync(null, s_patience)).State);
        Assert.Contains((await client.ListEventsAsync(new EventQuery { Type = "wayang.node" })).Events, static e => string.Equals(e.Type, "wayang.node.drained", StringComparison.Ordinal));

        Assert.Equal(DrainState.Serving, (await client.UndoDrainAsync()).State);
        Assert.Equal(TaskState.Succeeded, (await client.RunAsync(TaskSpec.Command("/bin/true"))).State);
    }

    /// <summary>Its end comes from the peer: until then the record here is all that tells it.</summary>
    [Fact(Timeout = Bound)]
    public async Task A_node_whose_calls_go_on_elsewhere_is_idle_and_drained_when_they_have_ended()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds * 100);
        var idle = await Eventually.ValueAsync("it is away", async () => await client.DrainAsync(null, TimeSpan.FromMilliseconds(200)) is { State: DrainState.Idle } there ? there : null);
        Assert.Equal((1, 1, 0), (idle.Away, idle.Moved, idle.Running));
        Assert.Equal(MoveReason.Drain, (await client.GetAsync(id)).Life?.Moves?.Why);
        await client.CancelAsync(id);
        Assert.Equal(DrainState.Drained, (await client.DrainAsync(null, s_patience)).State);
    }

    [Fact(Timeout = Bound)]
    public async Task A_host_that_is_drained_sends_calls_home_and_is_offered_none()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds / 2))).Output.Span);
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds / 2);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        await using var there = await nodes.ConnectAsync(MovingNodes.Host);
        var drained = await there.DrainAsync(null, s_patience);
        Assert.True(drained is { State: DrainState.Drained, GivenBack: 1 }, drained.ToString());
        await Eventually.ValueAsync("it goes on at home", async () => (await client.GetAsync(id)) is { State: TaskState.Running, Life.Moves.Node: null } or { State: TaskState.Succeeded } ? "" : null);

        // The way home is over a moment after the call goes on there; until then a second move is refused for that.
        var refused = await Eventually.ValueAsync("the move home is over", async () =>
            await Assert.ThrowsAsync<WayangException>(() => client.MigrateAsync(id, MovingNodes.Host)) is var refusal && refusal.Message.Contains("being moved already", StringComparison.Ordinal) ? null : refusal.Message);
        Assert.True(refused.Contains("being drained", StringComparison.Ordinal), refused);
        Assert.Equal(wanted, Convert.ToHexString((await client.WaitAsync(id, s_patience)).Output.Span));
    }

    /// <summary>The steps of a drain are those of hand-overs, which are killed one by one elsewhere; here it is killed in the middle of several.</summary>
    [Theory(Timeout = Bound)]
    [InlineData(HandoverPoint.HomePrepared, true)]
    [InlineData(HandoverPoint.HomeFenced, true)]
    [InlineData(HandoverPoint.HostAdopting, true)]
    [InlineData(HandoverPoint.HomeWritten, false)]
    [InlineData(HandoverPoint.HomeCommitted, false)]
    public async Task Whichever_node_is_killed_while_one_is_drained_each_call_has_its_one_end(HandoverPoint point, bool host)
    {
        await using var nodes = await MovingNodes.StartAsync(leaseMs: 1_000);
        string wanted;
        var calls = new List<TaskId>();
        await using (var client = await nodes.ConnectAsync())
        {
            wanted = Convert.ToHexString((await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds / 4))).Output.Span);
            for (var i = 0; i < 3; i++)
            {
                // Those that run here as their home is killed begin anew; each that left, or stands in its file, goes on.
                calls.Add(await MovingNodes.BeginAsync(client, "chain", Rounds / 4, durable: true, attempts: 3));
            }

            nodes.Arm(point);
            await client.DrainAsync(MovingNodes.Host, TimeSpan.Zero);
            await nodes.ReachedAsync(point);
            await HandoverKillTests.KillDaemonAsync(nodes[host ? MovingNodes.Host : MovingNodes.Home]);
            nodes.GoOn();
        }

        foreach (var call in calls)
        {
            var result = await HandoverKillTests.AwaitAsync(nodes, call);
            Assert.Equal((TaskState.Succeeded, wanted), (result.State, Convert.ToHexString(result.Output.Span)));
        }

        await using var after = await nodes.ConnectAsync();
        foreach (var call in calls)
        {
            Assert.Single((await after.ListEventsAsync(new EventQuery { Task = call, Type = "wayang.task.succeeded" })).Events);
        }

        await Eventually.EmptyAsync("files of calls", () => [.. nodes.FilesOf(MovingNodes.Home), .. nodes.FilesOf(MovingNodes.Host)]);
    }
}
