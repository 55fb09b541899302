using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>When the node moves calls by itself.</summary>
/// <param name="Which">Which of them.</param>
/// <param name="After">How long a call stands frozen first, or runs beside tasks that wait: what the others take less than, no move is worth.</param>
/// <param name="MostMoves">A call that has moved so often, whoever asked for it, stays where it is.</param>
public sealed record AutomaticMovePolicy(AutomaticMigration Which, TimeSpan After, int MostMoves);

/// <summary>
/// Moves calls to peers that have room: those that stand frozen for tasks of a higher class, and, where the node is to be balanced, running ones while others wait for their slots. Only from here to a peer, never back;
/// each a few times at most; one that a peer refuses is not offered again for a while. So a call that was sent away goes on there, whatever becomes free here.
/// </summary>
/// <remarks>
/// It is the running call that moves, not the one that waits: its state is a file that both sides know how to continue, and what waits begins in its slot, be it a call or a command.
/// Of the lowest class the one that began last goes: it has most before it, as a rule, and least to carry. None of class urgent: it would stand still for others that wait.
/// </remarks>
public sealed class AutomaticMoves : IMetricSource, IAsyncDisposable
{
    private const int MostAtOnce = 2;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(10);

    // Tasks are looked through again so late when none of them could go: there may be a hundred thousand, and most of them wait.
    private static readonly TimeSpan s_listAgain = TimeSpan.FromSeconds(1);

    private readonly IDrainable _node;
    private readonly ITaskMoves _moves;
    private readonly Func<NodeLoad> _load;
    private readonly Func<AutomaticMovePolicy> _policy;
    private readonly PeerRoom _room;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<TaskId, bool> _underWay = new();
    private readonly ConcurrentDictionary<TaskId, long> _refusedAt = new();
    private readonly Tally _victims = new(MoveReason.Preempted);
    private readonly Tally _balanced = new(MoveReason.Balance);
    private readonly ITimer _timer;
    private long? _backlogSince;
    private long? _listedInVain;
    private int _looking;

    /// <param name="node">Its tasks.</param>
    /// <param name="moves">Moves them.</param>
    /// <param name="membership">The peers.</param>
    /// <param name="load">What the node tells its peers of itself.</param>
    /// <param name="policy">In force now.</param>
    /// <param name="time">Says when to look.</param>
    public AutomaticMoves(IDrainable node, ITaskMoves moves, INodeMembership membership, Func<NodeLoad> load, Func<AutomaticMovePolicy> policy, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_node, _moves, _load, _policy, _time) = (node, moves, load, policy, time);
        _room = new PeerRoom(membership, time);
        _timer = time.CreateTimer(static desk => ((AutomaticMoves)desk!).OnTimer(), this, s_look, s_look);
    }

    // What came of the moves for one reason.
    private sealed class Tally(MoveReason why)
    {
        public long Moved;
        public long Refused;
        public long WithoutRoom;

        public MoveReason Why => why;
    }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        exposition.Counter("wayang_automatic_moves_total", "Calls that the node wanted to move to a peer by itself (migration.auto), by why, and what came of it.");
        foreach (var tally in new[] { _victims, _balanced })
        {
            var why = WireNames.Text(tally.Why);
            exposition.Sample(Interlocked.Read(ref tally.Moved), "why", why, "outcome", "moved");
            exposition.Sample(Interlocked.Read(ref tally.Refused), "why", why, "outcome", "refused");
            exposition.Sample(Interlocked.Read(ref tally.WithoutRoom), "why", why, "outcome", "no_room");
        }
    }

    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void OnTimer()
    {
        if (Interlocked.Exchange(ref _looking, 1) == 0)
        {
            Look();
            Volatile.Write(ref _looking, 0);
        }
    }

    /// <summary>One look at what is frozen, and at what waits. One thread at a time.</summary>
    internal void Look()
    {
        if (_policy() is not { Which: not AutomaticMigration.Never } policy)
        {
            return;
        }

        foreach (var old in _refusedAt.Where(r => _time.GetElapsedTime(r.Value) > s_again))
        {
            _refusedAt.TryRemove(old);
        }

        foreach (var task in _node.Frozen())
        {
            if (task.FrozenSince is { } since && _time.GetUtcNow() - since >= policy.After && MayGo(task, policy))
            {
                Begin(task, _victims);
            }
        }

        if (policy.Which == AutomaticMigration.Balance && HasBacklog(policy))
        {
            Balance(policy);
        }
    }

    private bool HasBacklog(AutomaticMovePolicy policy)
    {
        var load = _load();
        if (load.Queued == 0 || load.Slots == 0 || load.Running < load.Slots)
        {
            _backlogSince = null;
            return false;
        }

        _backlogSince ??= _time.GetTimestamp();
        return _time.GetElapsedTime(_backlogSince.Value) >= policy.After;
    }

    private void Balance(AutomaticMovePolicy policy)
    {
        // The tasks are listed only where one of them can go.
        if (_underWay.Count >= MostAtOnce || (_listedInVain is { } vain && _time.GetElapsedTime(vain) < s_listAgain) || _room.Find(static _ => false, out _) is null)
        {
            return;
        }

        LiveTask? best = null;
        foreach (var task in _node.List(out _))
        {
            if (task.State == TaskState.Running && task.Ran >= policy.After && PriorityLevels.ClassOf((byte)task.Level) < TaskClass.Urgent && MayGo(task, policy)
                && (best is not { } other || task.Level < other.Level || (task.Level == other.Level && task.Ran < other.Ran)))
            {
                best = task;
            }
        }

        _listedInVain = best is null ? _time.GetTimestamp() : null;
        if (best is { } found)
        {
            Begin(found, _balanced);
        }
    }

    private bool MayGo(in LiveTask task, AutomaticMovePolicy policy) =>
        task is { IsCall: true, Home: null, Node: null } && task.Moves < policy.MostMoves && !_refusedAt.ContainsKey(task.Id) && !_underWay.ContainsKey(task.Id);

    private void Begin(LiveTask task, Tally tally)
    {
        if (_underWay.Count >= MostAtOnce || !_underWay.TryAdd(task.Id, true))
        {
            return;
        }

        if (_room.Find(static _ => false, out _) is not { } peer)
        {
            Refuse(task.Id, ref tally.WithoutRoom);
            _underWay.TryRemove(task.Id, out _);
            return;
        }

        _room.Send(peer);
        _ = Task.Run(() => MoveAsync(task, peer, tally));
    }

    private async Task MoveAsync(LiveTask task, string peer, Tally tally)
    {
        var (moved, _) = await _moves.MigrateAsync(task.Id, task.Tenant, peer, tally.Why, CancellationToken.None).ConfigureAwait(false);
        if (moved is null)
        {
            Refuse(task.Id, ref tally.Refused); // why is told as an event
        }
        else
        {
            Interlocked.Increment(ref tally.Moved);
        }

        _underWay.TryRemove(task.Id, out _);
    }

    private void Refuse(TaskId id, ref long counter)
    {
        Interlocked.Increment(ref counter);
        _refusedAt[id] = _time.GetTimestamp();
    }
}
