using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Supervision;

internal enum SupervisorRequestKind : byte
{
    StartWorkers,
    StartCommand,
    StopCommand,
    RetryCancel,
    Kill,
    DisposeWorker,
    OpenImage,
}

/// <summary>Something that another thread asks of the supervisor.</summary>
internal readonly record struct SupervisorRequest(
    SupervisorRequestKind Kind,
    WorkerPool? Pool = null,
    int Count = 0,
    TaskRecord? Record = null,
    TaskId Id = default,
    TaskState State = TaskState.None,
    TaskCause Cause = default,
    ulong Worker = 0,
    CallWorker? CallWorker = null,
    Image? Image = null,
    long Deadline = 0);
