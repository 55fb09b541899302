using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>When the node moves calls by itself.</summary>
/// <param name="Enabled">At all.</param>
/// <param name="After">How long a call stands frozen first: what the urgent task takes less than, no move is worth.</param>
/// <param name="MostMoves">A call that has moved so often, whoever asked for it, stays where it is.</param>
public sealed record VictimMovePolicy(bool Enabled, TimeSpan After, int MostMoves);

/// <summary>
/// Moves calls that stand frozen for tasks of a higher class to peers that have room. Only from here to a peer, never back; each a few times at most; one that a peer refuses is not offered again for a while.
/// So a call that was sent away goes on there, whatever becomes free here.
/// </summary>
public sealed class VictimMoves : IMetricSource, IAsyncDisposable
{
    private const int MostAtOnce = 2;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(10);

    private readonly IDrainable _node;
    private readonly ITaskMoves _moves;
    private readonly Func<VictimMovePolicy> _policy;
    private readonly PeerRoom _room;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<TaskId, bool> _underWay = new();
    private readonly ConcurrentDictionary<TaskId, long> _refusedAt = new();
    private readonly ITimer _timer;
    private long _moved;
    private long _refused;
    private long _withoutRoom;

    /// <param name="node">Its tasks.</param>
    /// <param name="moves">Moves them.</param>
    /// <param name="membership">The peers.</param>
    /// <param name="policy">In force now.</param>
    /// <param name="time">Says when to look.</param>
    public VictimMoves(IDrainable node, ITaskMoves moves, INodeMembership membership, Func<VictimMovePolicy> policy, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_node, _moves, _policy, _time) = (node, moves, policy, time);
        _room = new PeerRoom(membership, time);
        _timer = time.CreateTimer(static desk => ((VictimMoves)desk!).Look(), this, s_look, s_look);
    }

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        exposition.Counter("wayang_victim_moves_total", "Frozen calls that the node wanted to move to a peer by itself (migration.auto), and what came of it.");
        exposition.Sample(Interlocked.Read(ref _moved), "outcome", "moved");
        exposition.Sample(Interlocked.Read(ref _refused), "outcome", "refused");
        exposition.Sample(Interlocked.Read(ref _withoutRoom), "outcome", "no_room");
    }

    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    /// <summary>One look at what is frozen.</summary>
    internal void Look()
    {
        if (_policy() is not { Enabled: true } policy)
        {
            return;
        }

        foreach (var old in _refusedAt.Where(r => _time.GetElapsedTime(r.Value) > s_again))
        {
            _refusedAt.TryRemove(old);
        }

        foreach (var task in _node.Frozen())
        {
            if (_underWay.Count < MostAtOnce && IsVictim(task, policy) && _underWay.TryAdd(task.Id, true))
            {
                Begin(task);
            }
        }
    }

    private bool IsVictim(in LiveTask task, VictimMovePolicy policy) =>
        task is { IsCall: true, Home: null, Node: null, FrozenSince: { } since } && _time.GetUtcNow() - since >= policy.After
            && task.Moves < policy.MostMoves && !_refusedAt.ContainsKey(task.Id);

    private void Begin(LiveTask task)
    {
        if (_room.Find(static _ => false, out _) is not { } peer)
        {
            Refuse(task.Id, ref _withoutRoom);
            _underWay.TryRemove(task.Id, out _);
            return;
        }

        _room.Send(peer);
        _ = Task.Run(() => MoveAsync(task, peer));
    }

    private async Task MoveAsync(LiveTask task, string peer)
    {
        var (moved, _) = await _moves.MigrateAsync(task.Id, task.Tenant, peer, MoveReason.Preempted, CancellationToken.None).ConfigureAwait(false);
        if (moved is null)
        {
            Refuse(task.Id, ref _refused); // why is told as an event
        }
        else
        {
            Interlocked.Increment(ref _moved);
        }

        _underWay.TryRemove(task.Id, out _);
    }

    private void Refuse(TaskId id, ref long counter)
    {
        Interlocked.Increment(ref counter);
        _refusedAt[id] = _time.GetTimestamp();
    }
}
