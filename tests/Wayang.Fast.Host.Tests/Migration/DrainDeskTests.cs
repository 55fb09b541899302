using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>What a drain says of a task, and which requests changed something.</summary>
[Trait("Promise", "PS4")]
public sealed class DrainDeskTests : IAsyncDisposable
{
    private static readonly TaskId s_id = new(0, 1);

    private readonly MovingNode _node = new();
    private readonly ToldPeers _peers = new();
    private readonly EventDesk _events = new(64, null, TimeProvider.System);
    private readonly DrainDesk _desk;

    public DrainDeskTests() => _desk = new DrainDesk(_node, _node, _peers, _events);

    public async ValueTask DisposeAsync()
    {
        await _desk.DisposeAsync();
        _events.Dispose();
    }

    [Fact]
    public async Task Only_who_begins_redirects_or_undoes_it_changes_something()
    {
        _peers.Peers.Add(ToldPeers.Peer("a", 0, 0, 1));
        Assert.False(_desk.Undo().Changed);
        Assert.True(await ChangedAsync(null));
        Assert.False(await ChangedAsync(null));
        Assert.True(await ChangedAsync("a"));
        Assert.False(await ChangedAsync("a"));
        Assert.False(await ChangedAsync(null));
        Assert.True(_desk.Undo().Changed);
        Assert.False(_desk.Undo().Changed);
    }

    [Fact]
    public async Task A_task_is_told_what_the_drain_means_for_it()
    {
        var task = new LiveTask(s_id, 0, TaskState.Running, Home: null, Node: null, IsPaused: false, IsDurable: false, IsWritten: false, IsCall: false, Moves: 0, FrozenSince: null);
        _node.Tasks.Add(task);
        Assert.Null(_desk.Explain(s_id, TaskState.Running));
        await _desk.DrainAsync(null, TimeSpan.Zero, 0, CancellationToken.None);
        Told("it is a command, and ends here");
        _node.Tasks[0] = task with { IsCall = true, Node = "peer" };
        Told("its call is at node 'peer' already, and this node tells its end: it would be lost if this node was stopped before");
        _node.Tasks[0] = task with { State = TaskState.Queued, IsPaused = true };
        Told("it is paused: resume or cancel it");
        _node.Tasks.Clear();
        Assert.Equal("The node is being drained (node.drain): it waits for a slot here, and begins in those that become free.", _desk.Explain(s_id, TaskState.Queued));
        Assert.Null(_desk.Explain(s_id, TaskState.Succeeded));
        _desk.Undo();
        Assert.Null(_desk.Explain(s_id, TaskState.Running));
    }

    private void Told(string what) => Assert.Equal($"The node is being drained (node.drain): {what}.", _desk.Explain(s_id, TaskState.Running));

    private async Task<bool> ChangedAsync(string? to)
    {
        var (progress, refusal) = await _desk.DrainAsync(to, TimeSpan.Zero, 0, CancellationToken.None);
        Assert.Null(refusal);
        return progress!.Changed;
    }
}
