using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;

namespace Wayang.Fast.Execution.Durable;

/// <summary>A call's file on its way into the ledger: whoever asked for it is told when a restart would find it.</summary>
internal sealed class StoredCheckpoint(TaskId id, TaskCheckpoint checkpoint, Action onKept) : LedgerCheckpoint(id, Path.GetFileName(checkpoint.File))
{
    public override void OnStored() => onKept();
}

/// <summary>
/// A call goes on from its file. That stays until this is stored: a restart before finds the task waiting, with its file, and continues it again; one behind it finds that
/// it ran.
/// </summary>
internal sealed class StoredContinuation(TaskId id, int attempt, TaskCheckpoint checkpoint) : LedgerStart(id, attempt)
{
    public override void OnStored() => CheckpointStore.DeleteSoon(checkpoint);
}
