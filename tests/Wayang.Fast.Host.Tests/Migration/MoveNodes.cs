using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>Peers as a test says they are.</summary>
internal sealed class ToldPeers(params PeerInfo[] peers) : INodeMembership
{
    public List<PeerInfo> Peers { get; } = [.. peers];

    public NodeGreeting Self { get; } = new("here", "boot", "1", 1, NodeLoad.None);

    public static PeerInfo Peer(string name, long running, long queued, long slots, PeerState state = PeerState.Connected) =>
        new(name, "127.0.0.1:1", state, default, string.Empty, null, "1", TimeSpan.Zero, new NodeLoad(running, queued, slots));

    public IReadOnlyList<PeerInfo> List() => Peers;

    public string? Greet(string peer, NodeGreeting greeting) => null;
}

/// <summary>A node with tasks, and the moves that were asked for; each ends when the test says how.</summary>
internal sealed class MovingNode : IDrainable, ITaskMoves
{
    private readonly List<(TaskId Task, string? Node, MoveReason Why, TaskCompletionSource<(TaskMoves? Moves, OperationError? Refusal)> End)> _asked = [];
    private readonly Lock _gate = new();

    public List<LiveTask> Tasks { get; } = [];

    public bool RefusesWork { get; set; }

    public List<(TaskId Task, string? Node, MoveReason Why)> Asked
    {
        get
        {
            lock (_gate)
            {
                return [.. _asked.Select(static a => (a.Task, a.Node, a.Why))];
            }
        }
    }

    public IReadOnlyList<LiveTask> List(out int waiting)
    {
        waiting = 0;
        return Tasks;
    }

    public IReadOnlyList<LiveTask> Frozen() => [.. Tasks.Where(static t => t.FrozenSince is not null)];

    public Task<OperationError?> GiveBackAsync(TaskId id) => Task.FromResult<OperationError?>(null);

    public Task<(TaskMoves? Moves, OperationError? Refusal)> MigrateAsync(TaskId id, int tenant, string? node, MoveReason why, CancellationToken cancellation)
    {
        var end = new TaskCompletionSource<(TaskMoves? Moves, OperationError? Refusal)>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _asked.Add((id, node, why, end));
        }

        return end.Task;
    }

    /// <summary>How the move of that number ends.</summary>
    public void End(int number, OperationError? refusal)
    {
        lock (_gate)
        {
            _asked[number].End.SetResult(refusal is null ? (new TaskMoves("peer", 1, 1, TimeSpan.Zero, default), null) : (null, refusal));
        }
    }
}
