using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>Lets running calls go on at other nodes. Thread-safe.</summary>
public interface ITaskMoves
{
    /// <summary>Lets a running call go on at a peer, or here again; completes when it does.</summary>
    /// <param name="id">The task.</param>
    /// <param name="tenant">The caller's.</param>
    /// <param name="node">Where to; null: back home.</param>
    /// <param name="why">Told of the move afterwards.</param>
    /// <param name="cancellation">Of the wait: a move that has begun goes on.</param>
    /// <returns>What the move took, or why the task stays where it is.</returns>
    Task<(TaskMoves? Moves, OperationError? Refusal)> MigrateAsync(TaskId id, int tenant, string? node, MoveReason why, CancellationToken cancellation);
}
