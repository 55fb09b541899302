using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>Lets a node end its work without losing any: it takes nothing new, what can move goes to peers, the rest ends here. Until it is undone, or the node is started anew. Thread-safe.</summary>
public interface INodeDrain
{
    /// <summary>Begins it, or goes on with it.</summary>
    /// <param name="to">The only peer where calls go; null: those that have room.</param>
    /// <param name="wait">Answers when there is nothing left to wait for, or after so long.</param>
    /// <param name="tenant">Whose tasks are told in words; 0: everybody's.</param>
    /// <param name="cancellation">Of the wait: the drain goes on.</param>
    Task<(DrainProgress? Progress, OperationError? Refusal)> DrainAsync(string? to, TimeSpan wait, int tenant, CancellationToken cancellation);

    /// <summary>The node takes work again; what moved stays where it went.</summary>
    DrainProgress Undo();

    /// <summary>What the drain means for a task.</summary>
    /// <returns>A sentence; null: the node is not being drained, or the task has ended.</returns>
    string? Explain(TaskId id, TaskState state);
}

/// <summary>The tasks of a node, as a drain sees them, and automatic moves. Thread-safe.</summary>
public interface IDrainable
{
    /// <summary>New work is refused, from callers and from other nodes; what is there goes on.</summary>
    bool RefusesWork { get; set; }

    /// <summary>Tasks that have not ended, but for those that only wait for a slot.</summary>
    /// <param name="waiting">How many these are.</param>
    IReadOnlyList<LiveTask> List(out int waiting);

    /// <summary>Of those the frozen ones that are this node's own; costs nothing where there are none.</summary>
    IReadOnlyList<LiveTask> Frozen();

    /// <summary>Another node's call that goes on here is written down, for its home to fetch.</summary>
    /// <returns>Null, or why it stays.</returns>
    Task<OperationError?> GiveBackAsync(TaskId id);
}

/// <param name="Home">Another node, whose task it is; null: this one's own.</param>
/// <param name="Node">Where it goes on; null: here.</param>
/// <param name="IsPaused">It waits for somebody's word.</param>
/// <param name="IsDurable">A restart of the node does not end it.</param>
/// <param name="IsWritten">It stands in a file.</param>
/// <param name="IsCall">Not a command.</param>
/// <param name="Moves">So far.</param>
/// <param name="FrozenSince">Null: it is not frozen.</param>
/// <param name="Level">Of its class: the higher, the sooner it goes.</param>
/// <param name="Ran">Since it began to run here; zero: it does not run.</param>
public readonly record struct LiveTask(
    TaskId Id, int Tenant, TaskState State, string? Home, string? Node, bool IsPaused, bool IsDurable, bool IsWritten, bool IsCall, int Moves, DateTimeOffset? FrozenSince,
    int Level = 0, TimeSpan Ran = default);
