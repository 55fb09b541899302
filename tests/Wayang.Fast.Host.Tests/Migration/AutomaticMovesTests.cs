using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>Which calls the node moves by itself, and which not: by hand, look by look.</summary>
[Trait("Promise", "PS2")]
public sealed class AutomaticMovesTests : IAsyncDisposable
{
    private readonly HandClock _clock = new();
    private readonly MovingNode _node = new();
    private readonly ToldPeers _peers = new(ToldPeers.Peer("peer", 0, 0, 8));
    private readonly AutomaticMoves _moves;
    private NodeLoad _load = new(Running: 2, Queued: 5, Slots: 2);
    private AutomaticMovePolicy _policy = new(AutomaticMigration.Preempted, TimeSpan.FromSeconds(1), MostMoves: 3);

    public AutomaticMovesTests() => _moves = new AutomaticMoves(_node, _node, _peers, () => _load, () => _policy, _clock);

    public ValueTask DisposeAsync() => _moves.DisposeAsync();

    [Fact]
    public async Task A_call_that_stood_frozen_for_its_time_is_moved_and_not_before()
    {
        Freeze(1);
        _clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        _moves.Look();
        _clock.Advance(TimeSpan.FromTicks(1));
        _moves.Look();
        await AskedAsync(1);
        _moves.Look(); // is under way
        Assert.Equal([(new TaskId(0, 1), "peer", MoveReason.Preempted)], _node.Asked);
        _node.End(0, refusal: null);
        await CountedAsync("moved");
    }

    [Fact]
    public void What_is_off_and_what_is_no_victim_stays()
    {
        _policy = _policy with { Which = AutomaticMigration.Never };
        Freeze(1);
        _clock.Advance(TimeSpan.FromSeconds(5));
        _moves.Look();
        _policy = _policy with { Which = AutomaticMigration.Preempted };
        _node.Tasks[0] = _node.Tasks[0] with { IsCall = false };
        _moves.Look();
        _node.Tasks[0] = _node.Tasks[0] with { IsCall = true, Home = "other" };
        _moves.Look();
        _node.Tasks[0] = _node.Tasks[0] with { Home = null, Node = "peer" };
        _moves.Look();
        _node.Tasks[0] = _node.Tasks[0] with { Node = null, Moves = 3 };
        _moves.Look();
        Assert.Equal(0, Counted("moved") + Counted("refused") + Counted("no_room"));
        Assert.Empty(_node.Asked);
    }

    [Fact]
    public async Task Two_are_under_way_at_most_and_the_next_goes_when_one_ended()
    {
        Freeze(1, 2, 3);
        _clock.Advance(TimeSpan.FromSeconds(1));
        _moves.Look();
        _moves.Look();
        await AskedAsync(2);
        _node.Tasks.RemoveAll(t => t.Id == _node.Asked[0].Task); // it went
        _node.End(0, refusal: null);
        await CountedAsync("moved");
        await UntilAsync(() =>
        {
            _moves.Look(); // its place is free a moment behind the count
            return _node.Asked.Count == 3;
        });
        Assert.Equal(3, _node.Asked.Select(static a => a.Task).Distinct().Count());
    }

    [Fact]
    public async Task Who_was_refused_or_had_no_room_is_left_alone_for_a_while()
    {
        Freeze(1);
        _peers.Peers.Clear();
        _clock.Advance(TimeSpan.FromSeconds(1));
        _moves.Look();
        _moves.Look();
        Assert.Equal((1, 0), (Counted("no_room"), _node.Asked.Count));
        _peers.Peers.Add(ToldPeers.Peer("peer", 0, 0, 8));
        _clock.Advance(TimeSpan.FromSeconds(10));
        _moves.Look();
        Assert.Empty(_node.Asked); // to the tick
        _clock.Advance(TimeSpan.FromTicks(1));
        _moves.Look();
        await AskedAsync(1);
        _node.End(0, new OperationError(ErrorCode.Conflict, "not now"));
        await CountedAsync("refused");
        _moves.Look();
        Assert.Single(_node.Asked);
    }

    [Fact]
    public async Task Beside_tasks_that_wait_for_slots_the_call_of_the_lowest_class_that_began_last_goes()
    {
        _policy = _policy with { Which = AutomaticMigration.Balance };
        Run(1, PriorityLevels.DefaultOf(TaskClass.Normal), seconds: 2);
        Run(2, PriorityLevels.DefaultOf(TaskClass.Batch), seconds: 9);
        Run(3, PriorityLevels.DefaultOf(TaskClass.Batch), seconds: 3);
        Run(4, PriorityLevels.DefaultOf(TaskClass.Batch), seconds: 0.5); // might end in its own time
        _moves.Look(); // they wait from now on
        _clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        _moves.Look();
        Assert.Empty(_node.Asked);
        _clock.Advance(TimeSpan.FromTicks(1));
        _moves.Look();
        await AskedAsync(1);
        _moves.Look(); // one a look
        await AskedAsync(2);
        _moves.Look(); // two at once
        Assert.Equal([(new TaskId(0, 3), "peer", MoveReason.Balance), (new TaskId(0, 2), "peer", MoveReason.Balance)], _node.Asked);
        _node.End(0, refusal: null);
        await CountedAsync("moved", "balance");
    }

    [Fact]
    public void Nothing_is_balanced_without_a_backlog_or_a_peer_with_room_and_no_urgent_call_ever()
    {
        _policy = _policy with { Which = AutomaticMigration.Balance };
        Run(1, PriorityLevels.DefaultOf(TaskClass.Urgent), seconds: 100);
        LookForLong();
        _node.Tasks[0] = _node.Tasks[0] with { Level = PriorityLevels.DefaultOf(TaskClass.Normal) };
        _load = new NodeLoad(Running: 1, Queued: 5, Slots: 2); // what waits, waits for something else
        LookForLong();
        _load = new NodeLoad(Running: 2, Queued: 0, Slots: 2);
        LookForLong();
        _load = new NodeLoad(Running: 2, Queued: 5, Slots: 2);
        _moves.Look();
        _load = _load with { Queued = 0 };
        _clock.Advance(TimeSpan.FromSeconds(2));
        _moves.Look();
        _load = _load with { Queued = 1 };
        _moves.Look(); // it was empty in between
        _peers.Peers.Clear();
        LookForLong();
        _policy = _policy with { Which = AutomaticMigration.Preempted };
        _peers.Peers.Add(ToldPeers.Peer("peer", 0, 0, 8));
        LookForLong();
        Assert.Empty(_node.Asked);
    }

    private void LookForLong()
    {
        _moves.Look();
        _clock.Advance(TimeSpan.FromSeconds(5));
        _moves.Look();
    }

    private void Run(ulong task, int level, double seconds) => _node.Tasks.Add(new LiveTask(
        new TaskId(0, task), 0, TaskState.Running, Home: null, Node: null, IsPaused: false, IsDurable: false, IsWritten: false, IsCall: true, Moves: 0, FrozenSince: null, level, TimeSpan.FromSeconds(seconds)));

    private void Freeze(params ulong[] tasks) => _node.Tasks.AddRange(tasks.Select(n => new LiveTask(
        new TaskId(0, n), 0, TaskState.Frozen, Home: null, Node: null, IsPaused: false, IsDurable: false, IsWritten: false, IsCall: true, Moves: 0, _clock.GetUtcNow())));

    private Task AskedAsync(int count) => UntilAsync(() => _node.Asked.Count == count);

    private Task CountedAsync(string outcome, string why = "preempted") => UntilAsync(() => Counted(outcome, why) == 1);

    private long Counted(string outcome, string why = "preempted")
    {
        var exposition = new Exposition(100);
        _moves.WriteMetrics(exposition);
        var line = exposition.ToString()!.Split('\n').First(l => l.Contains($"why=\"{why}\",outcome=\"{outcome}\"", StringComparison.Ordinal));
        return long.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    /// <summary>A move is asked for on a thread of the pool.</summary>
    private static async Task UntilAsync(Func<bool> probe)
    {
        var began = Stopwatch.GetTimestamp();
        while (!probe())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(30), "it did not come");
            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }
    }
}
