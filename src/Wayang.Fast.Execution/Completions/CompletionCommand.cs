using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Completions;

internal enum CompletionCommandKind : byte
{
    /// <summary>A worker's process ended: <c>Worker</c>, <c>Exit</c>.</summary>
    WorkerExited,

    /// <summary>The dispatch owner writes to the worker no more: what it had in flight can be ended.</summary>
    WorkerDetached,

    /// <summary>A task that never ran ends: <c>Record</c>, <c>Cause</c>.</summary>
    End,

    /// <summary>A command that was asked to yield has: <c>Record</c>, its state in <c>Saved</c>; else as <see cref="End"/>.</summary>
    CommandYielded,

    /// <summary>A pure task is answered by an earlier result: <c>Record</c>, <c>Result</c>.</summary>
    EndCached,

    /// <summary>Somebody asked to cancel the task <c>Id</c>.</summary>
    Cancel,

    /// <summary>The call <c>Ticket</c> of <c>Worker</c> is over its time.</summary>
    CallExpired,

    /// <summary><c>Worker</c> broke a rule of the channel or did not become ready: <c>Reason</c>.</summary>
    Violation,

    /// <summary><c>Worker</c> does nothing though it has calls: <c>Reason</c>.</summary>
    Unresponsive,

    /// <summary>The pause before the next attempt of the task <c>Id</c> is over.</summary>
    Requeue,

    /// <summary>The task <c>Id</c> is to end as <c>State</c> and <c>Cause</c>: its deadline passed, or its parent or group ends it.</summary>
    Stop,

    /// <summary>Somebody asks something of a task's life: <c>Life</c>.</summary>
    Life,

    /// <summary>The durable task <c>Id</c> is stored, and what it runs is there: it may be started.</summary>
    Stored,

    /// <summary>The durable task <c>Id</c> could not be stored: <c>Cause</c> says why.</summary>
    StoreRefused,

    /// <summary>The end of the durable task <c>Id</c> is stored: it may be told.</summary>
    EndStored,

    /// <summary>A worker was written down, and stands still: <c>Capture</c>.</summary>
    Captured,

    /// <summary>A worker could not be written down: <c>Capture</c>, <c>Refusal</c>.</summary>
    CaptureFailed,

    /// <summary>A checkpoint's file is whole: <c>Capture</c>.</summary>
    CheckpointWritten,

    /// <summary>A call whose worker takes no more is to be ended, and its task to begin anew: <c>Capture</c>.</summary>
    RestartDue,

    /// <summary>A call that was asked to yield did not in time: <c>Life</c> asked.</summary>
    YieldOverdue,

    /// <summary>A call could not be continued from its file: <c>Continuation</c>, <c>Reason</c>.</summary>
    ContinuationFailed,

    /// <summary>Forget ended tasks whose time is over, also when no other ends.</summary>
    Sweep,

    /// <summary>End all tasks that have not ended: the runtime stops.</summary>
    Shutdown,
}

/// <summary>Something rare that the completion thread must do.</summary>
internal readonly record struct CompletionCommand(
    CompletionCommandKind Kind,
    CallWorker? Worker = null,
    WorkerExit Exit = default,
    TaskRecord? Record = null,
    TaskId Id = default,
    uint Ticket = 0,
    TaskState State = TaskState.None,
    TaskCause Cause = default,
    string? Reason = null,
    LifeRequest? Life = null,
    CachedResult? Result = null,
    Capture? Capture = null,
    Continuation? Continuation = null,
    OperationError? Refusal = null,
    byte[]? Saved = null);
