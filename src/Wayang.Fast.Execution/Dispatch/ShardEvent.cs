using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

internal enum ShardEventKind : byte
{
    /// <summary>A worker said READY.</summary>
    WorkerReady,

    /// <summary>A worker that was asked for could not be started.</summary>
    WorkerStartFailed,

    /// <summary>A pool's image is there again: what could not be started may be asked for once more.</summary>
    PoolRetry,

    /// <summary>A worker must take no more calls; answered by <c>CompletionThread.PostDetached</c>.</summary>
    DetachWorker,

    /// <summary>A worker has served its one task (reuse: never), broke a rule, or runs over its time: it takes no more calls, then it is killed.</summary>
    RetireWorker,

    /// <summary>A worker consumed requests while an upload waited.</summary>
    SpaceFreed,

    /// <summary>Set the cancel bit of a call in flight.</summary>
    CancelCall,

    /// <summary>Ask a call in flight to save its state and to yield.</summary>
    WantState,

    /// <summary>A command ended: its pool has a slot again.</summary>
    CommandEnded,

    /// <summary>A task that was admitted before waits again: <c>Ticket</c> is its slot.</summary>
    Requeue,

    /// <summary>A pool was made: add its slots (commands).</summary>
    PoolOpened,

    /// <summary>A pool's image is gone for good: end what is queued.</summary>
    PoolClosed,

    /// <summary>Work that could run does not: link every pool anew and ask for its workers again.</summary>
    Heal,

    /// <summary>The node's options were replaced.</summary>
    Reconfigured,

    /// <summary>A running call is to be written down: <c>Capture</c>.</summary>
    CaptureCall,

    /// <summary>A call was to be written down and was not: <c>Worker</c>, if it was frozen, has its slot again.</summary>
    CaptureAbandoned,

    /// <summary>A worker stands where a written-down call stood: <c>Worker</c>.</summary>
    WorkerRestored,

    /// <summary>No worker could be made for a written-down call: <c>Continuation</c>.</summary>
    ContinuationFailed,

    /// <summary>Look for workers that have been idle too long.</summary>
    Trim,
}

/// <summary>Something rare that the dispatch owner must know.</summary>
/// <param name="Id">Of a command that ended.</param>
/// <param name="Since">The timestamp at which it got its slot.</param>
/// <param name="Level">Of a command that ended: where the scheduler took it from.</param>
/// <param name="Ticks">Of a command that ended: how long it had its slot; negative when it never ran.</param>
internal readonly record struct ShardEvent(
    ShardEventKind Kind, CallWorker? Worker = null, WorkerPool? Pool = null, uint Ticket = 0, string? Reason = null, byte Level = 0, long Ticks = 0,
    TaskId Id = default, long Since = 0, Capture? Capture = null, Continuation? Continuation = null);
