using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A call that goes on from a file, in a worker that is made for it. One that is *ahead* is begun while the file is on its way, and belongs to no task until the dispatch owner binds it; nothing is told of it
/// before. The dispatch owner has given a bound one's task a slot of the node, which is given back once: at the end of the call, or when it cannot be continued.
/// </summary>
internal sealed class Continuation
{
    public Continuation(WorkerPool pool, TaskId task, int slot, byte level, TaskCheckpoint checkpoint, bool durable)
    {
        (Pool, Task) = (pool, task);
        Bind(slot, level, checkpoint, durable);
    }

    /// <summary>One that is ahead.</summary>
    public Continuation(WorkerPool pool, TaskId task, WorkerShape shape) => (Pool, Task, Shape) = (pool, task, shape);

    /// <summary>Completes when its worker's agent takes what comes as fast as that does, or when there will be none. Of one that is ahead. Set by the supervisor.</summary>
    public TaskCompletionSource Prepared { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkerPool Pool { get; }

    public TaskId Task { get; }

    /// <summary>Of the worker of one that is ahead; null: it is not.</summary>
    public WorkerShape? Shape { get; }

    public bool IsAhead => Shape is not null;

    /// <summary>Of the record.</summary>
    public int Slot { get; private set; } = -1;

    /// <summary>The level that the scheduler took it from.</summary>
    public byte Level { get; private set; }

    /// <summary>Null: it is not bound.</summary>
    public TaskCheckpoint? Checkpoint { get; private set; }

    /// <summary>The ledger knows the file.</summary>
    public bool IsDurable { get; private set; }

    /// <summary>Of the file; set before a worker is asked for, or, ahead, by the supervisor once the file is whole.</summary>
    public CheckpointState? State { get; set; }

    /// <summary>The call is in flight in its worker, which ends as others do from then on. Dispatch owner, before the worker is detached.</summary>
    public bool HasBegun { get; set; }

    /// <summary>What it took of its pool and of the node was given back, or is the call's. Dispatch owner.</summary>
    public bool IsSettled { get; set; }

    /// <summary>The worker of one that is ahead, when it stands where the call stood and nobody has bound it. Dispatch owner.</summary>
    public CallWorker? Ready { get; set; }

    /// <summary>Of one that is ahead: there is no worker, or it has ended. Dispatch owner.</summary>
    public bool IsLost { get; set; }

    /// <summary>What its worker's agent said when it stood where the call stood, as far as its memory goes; null: it does not yet. Supervisor.</summary>
    public WorkerMoved? Moved { get; set; }

    /// <summary>Its worker has ended. Supervisor.</summary>
    public bool HasExited { get; set; }

    /// <summary>Of one that is ahead; 0: it was not asked for. Supervisor.</summary>
    public ulong Worker { get; set; }

    /// <summary>It is this task's from now on. Dispatch owner; once.</summary>
    public void Bind(int slot, byte level, TaskCheckpoint checkpoint, bool durable) => (Slot, Level, Checkpoint, IsDurable) = (slot, level, checkpoint, durable);
}
