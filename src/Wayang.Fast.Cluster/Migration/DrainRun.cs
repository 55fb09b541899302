using System.Collections.Concurrent;
using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Cluster.Migration;

/// <summary>One drain, from the wish until it is undone. Passes are made by one thread at a time; any may ask how far it is.</summary>
internal sealed class DrainRun(IDrainable node, ITaskMoves? moves, INodeMembership? membership, CancellationTokenSource stop)
{
    private const int MostAtOnce = 4;
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(2);

    private readonly PeerRoom? _room = membership is null ? null : new PeerRoom(membership, TimeProvider.System);
    private readonly ConcurrentDictionary<TaskId, bool> _underWay = new();
    private readonly ConcurrentDictionary<TaskId, string> _reasons = new();
    private readonly ConcurrentDictionary<(TaskId Task, string Peer), long> _refusedAt = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DateTimeOffset _since = DateTimeOffset.UtcNow;
    private int _moved;
    private int _givenBack;

    /// <summary>The only peer where calls go; null: those with room.</summary>
    public string? To { get; set; }

    /// <summary>A call left; true: it went home.</summary>
    public Action<bool> OnMoved { get; set; } = static _ => { };

    public CancellationToken Token => stop.Token;

    public bool IsOver => stop.IsCancellationRequested;

    /// <summary>Completes when the node may be stopped, or this is over.</summary>
    public Task Drained => _drained.Task;

    /// <summary>Completes when it makes no more passes.</summary>
    public Task Over => _over.Task;

    public void End() => stop.Cancel();

    public void Leave()
    {
        _drained.TrySetResult();
        _over.TrySetResult();
    }

    /// <returns>The node may be stopped from now on, and might not before.</returns>
    public bool Pass()
    {
        var tasks = node.List(out _);
        foreach (var task in tasks)
        {
            if (_underWay.Count < MostAtOnce && !_underWay.ContainsKey(task.Id))
            {
                Begin(task);
            }
        }

        var there = tasks.Select(static t => t.Id).ToHashSet();
        foreach (var gone in _reasons.Keys.Where(id => !there.Contains(id)))
        {
            _reasons.TryRemove(gone, out _);
        }

        foreach (var old in _refusedAt.Where(static r => Stopwatch.GetElapsedTime(r.Value) > s_again))
        {
            _refusedAt.TryRemove(old);
        }

        return Describe(out _).State == DrainState.Drained && _drained.TrySetResult();
    }

    public DrainProgress Describe(out IReadOnlyList<LiveTask> tasks)
    {
        tasks = node.List(out var waiting);
        var (running, away, lost, held) = (0, 0, 0, 0);
        var staying = new List<StayingTask>();
        foreach (var task in tasks)
        {
            if (task.Node is not null)
            {
                away++;
                lost += task.IsDurable ? 0 : 1;
                continue;
            }

            if (task.State == TaskState.Queued && !task.IsPaused)
            {
                waiting++;
            }
            else
            {
                running += task.State == TaskState.Queued ? 0 : 1;
                held += task is { State: TaskState.Queued, IsDurable: false } ? 1 : 0;
            }

            if (staying.Count < DrainProgress.MostStaying && WhyHere(task) is { } why)
            {
                staying.Add(new StayingTask(task.Id, task.State, why));
            }
        }

        var state = IsOver ? DrainState.Serving : running + waiting + held > 0 || !_underWay.IsEmpty ? DrainState.Draining : lost > 0 ? DrainState.Idle : DrainState.Drained;
        return new DrainProgress(state, _since, Volatile.Read(ref _moved), Volatile.Read(ref _givenBack), running, waiting, away, staying);
    }

    /// <summary>What becomes of a task that has not ended.</summary>
    public string Explain(TaskId id)
    {
        LiveTask? found = null;
        foreach (var task in node.List(out _))
        {
            found = task.Id == id ? task : found;
        }

        var what = found switch
        {
            null => "it waits for a slot here, and begins in those that become free", // those that only wait are counted, not listed
            { Node: { } away } => $"its call is at node '{away}' already, and this node tells its end{(found.Value.IsDurable ? string.Empty : ": it would be lost if this node was stopped before")}",
            { } here => WhyHere(here) ?? (here.Home is { } home ? $"it goes home to node '{home}'" : "its call goes to a peer as soon as one has room, or ends here"),
        };
        return $"The node is being drained (node.drain): {what}.";
    }

    private string? WhyHere(in LiveTask task) =>
        _reasons.TryGetValue(task.Id, out var why) ? why
        : _underWay.ContainsKey(task.Id) ? task.Home is null ? "it is being moved" : $"it goes home to node '{task.Home}'"
        : task.IsPaused ? $"it is paused: resume or cancel it{(task.IsDurable ? " (it is durable: a stop of the node does not end it)" : "")}"
        : !task.IsCall ? "it is a command, and ends here"
        : null;

    private void Begin(in LiveTask task)
    {
        if (task.Node is not null || task.IsPaused || !task.IsCall || task.State == TaskState.Starting)
        {
            return;
        }

        var (id, tenant) = (task.Id, task.Tenant);
        if (task.Home is { } home)
        {
            if (!IsRefused(id, home))
            {
                Start(id, () => GiveBackAsync(id, home));
            }

            return;
        }

        if (moves is null || _room is null)
        {
            _reasons[id] = "this node has no peers (peers:): it ends here";
            return;
        }

        var (to, why) = (To, string.Empty);
        if (to is null && _room.Find(peer => IsRefused(id, peer), out why) is { } found)
        {
            to = found;
        }

        if (to is null)
        {
            _reasons.TryAdd(id, why); // a peer's own words, if it was asked, say more
        }
        else if (!IsRefused(id, to))
        {
            _room.Send(to);
            Start(id, () => MoveAsync(id, tenant, to));
        }
    }

    private bool IsRefused(TaskId id, string peer) => _refusedAt.TryGetValue((id, peer), out var at) && Stopwatch.GetElapsedTime(at) < s_again;

    private void Start(TaskId id, Func<Task> work)
    {
        _underWay[id] = true;
        _ = Task.Run(async () =>
        {
            try
            {
                await work().ConfigureAwait(false);
            }
            finally
            {
                _underWay.TryRemove(id, out _);
            }
        });
    }

    private async Task MoveAsync(TaskId id, int tenant, string to)
    {
        var (moved, refusal) = await moves!.MigrateAsync(id, tenant, to, MoveReason.Drain, CancellationToken.None).ConfigureAwait(false);
        Note(id, to, moved is null ? refusal : null, isHome: false);
    }

    private async Task GiveBackAsync(TaskId id, string home) => Note(id, home, await node.GiveBackAsync(id).ConfigureAwait(false), isHome: true);

    private void Note(TaskId id, string peer, OperationError? refusal, bool isHome)
    {
        if (refusal is not null)
        {
            _refusedAt[(id, peer)] = Stopwatch.GetTimestamp();
            _reasons[id] = refusal.Message;
            return;
        }

        _reasons.TryRemove(id, out _);
        Interlocked.Increment(ref isHome ? ref _givenBack : ref _moved);
        OnMoved(isHome);
    }
}
