using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Checkpoints;

/// <summary>
/// A task whose call goes on from a file, in a worker that is made for it. The dispatch owner has given it a slot of the node, which is given back once: at the end of the call, or
/// when it cannot be continued.
/// </summary>
internal sealed class Continuation(WorkerPool pool, TaskId task, int slot, byte level, TaskCheckpoint checkpoint, bool durable)
{
    public WorkerPool Pool { get; } = pool;

    public TaskId Task { get; } = task;

    /// <summary>Of the record.</summary>
    public int Slot { get; } = slot;

    /// <summary>The level that the scheduler took it from.</summary>
    public byte Level { get; } = level;

    public TaskCheckpoint Checkpoint { get; } = checkpoint;

    /// <summary>The ledger knows the file.</summary>
    public bool IsDurable { get; } = durable;

    /// <summary>Of the file; set before a worker is asked for.</summary>
    public CheckpointState? State { get; set; }

    /// <summary>The call is in flight in its worker, which ends as others do from then on. Dispatch owner, before the worker is detached.</summary>
    public bool HasBegun { get; set; }

    /// <summary>What it took of its pool and of the node was given back, or is the call's. Dispatch owner.</summary>
    public bool IsSettled { get; set; }
}
