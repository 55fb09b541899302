using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>A call that stands frozen for an urgent one, or runs while others wait for its slot, goes to a peer with room by itself, once, and stays there.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
public sealed class AutomaticMoveTests
{
    private const int Bound = 300_000;
    private const long Rounds = 300_000_000;

    [Fact(Timeout = Bound)]
    public async Task A_frozen_call_goes_to_the_peer_that_has_room_and_stays_there()
    {
        await using var nodes = await MovingNodes.StartAsync(ofHome: "limits: {concurrent_tasks: 1}\n", ofMigration: ", auto: preempted, auto_after_ms: 200");
        await using var client = await nodes.ConnectAsync();
        Assert.SkipUnless((await client.NodeInfoAsync()).Features.Contains("Freezer"), "this host gives no group that freezes: 'wayang doctor' says why");
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds));
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds, taskClass: TaskClass.Batch);
        var urgent = await MovingNodes.BeginAsync(client, "chain", Rounds * 1_000, taskClass: TaskClass.Urgent);
        await Eventually.ValueAsync("it goes on at the peer", async () => (await client.GetAsync(id)).Life?.Moves is { Node: MovingNodes.Host, Why: MoveReason.Preempted } ? "" : null);
        Assert.Contains("the node moved it by itself", (await client.ExplainAsync(id)).Text, StringComparison.Ordinal);

        // Its slot is free again, and it stays where it is.
        await client.CancelAsync(urgent);
        await client.WaitAsync(urgent);
        var result = await client.WaitAsync(id);
        Assert.Equal((TaskState.Succeeded, Convert.ToHexString(wanted.Output.Span)), (result.State, Convert.ToHexString(result.Output.Span)));
        Assert.Equal(1, (await client.GetAsync(id)).Life?.Moves?.Times);
    }

    [Fact(Timeout = Bound)]
    public async Task A_call_that_was_moved_as_often_as_may_be_stays_frozen()
    {
        await using var nodes = await MovingNodes.StartAsync(ofHome: "limits: {concurrent_tasks: 1}\n", ofMigration: ", auto: preempted, auto_after_ms: 0, auto_moves: 1");
        await using var client = await nodes.ConnectAsync();
        Assert.SkipUnless((await client.NodeInfoAsync()).Features.Contains("Freezer"), "this host gives no group that freezes: 'wayang doctor' says why");
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds * 1_000, taskClass: TaskClass.Batch);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, null));
        await Eventually.ValueAsync("it runs at home", async () => (await client.GetAsync(id)).State == TaskState.Running ? "" : null);
        var urgent = await MovingNodes.BeginAsync(client, "chain", Rounds * 2, taskClass: TaskClass.Urgent);
        Assert.Equal(TaskState.Frozen, (await client.GetAsync(id)).State);
        await client.WaitAsync(urgent); // some hundred looks of the node later
        Assert.Equal((null, 2), ((await client.GetAsync(id)).Life?.Moves?.Node, (await client.GetAsync(id)).Life?.Moves?.Times));
        await client.CancelAsync(id);
        await client.WaitAsync(id);
    }

    /// <summary>One slot here, none taken there: the second call begins because the first one goes on at the peer, and both end here.</summary>
    [Fact(Timeout = Bound)]
    public async Task A_running_call_goes_to_the_idle_peer_when_another_waits_for_its_slot()
    {
        await using var nodes = await MovingNodes.StartAsync(ofHome: "limits: {concurrent_tasks: 1}\n", ofMigration: ", auto: balance, auto_after_ms: 200");
        await using var client = await nodes.ConnectAsync();
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds));
        var first = await MovingNodes.BeginAsync(client, "chain", Rounds * 4);
        var second = await MovingNodes.BeginAsync(client, "chain", Rounds); // it runs: the other's slot is free
        await Eventually.ValueAsync("it goes on at the peer", async () => (await client.GetAsync(first)).Life?.Moves is { Node: MovingNodes.Host, Why: MoveReason.Balance } ? "" : null);
        Assert.Contains("other tasks waited for its slots", (await client.ExplainAsync(first)).Text, StringComparison.Ordinal);
        var result = await client.WaitAsync(second);
        Assert.Equal((TaskState.Succeeded, Convert.ToHexString(wanted.Output.Span)), (result.State, Convert.ToHexString(result.Output.Span)));
        Assert.Null((await client.GetAsync(second)).Life?.Moves);
        var moved = await client.WaitAsync(first);
        Assert.Equal((TaskState.Succeeded, 1), (moved.State, (await client.GetAsync(first)).Life?.Moves?.Times));
    }
}
