using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Life;
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

    /// <summary>Stop the processes of a command, or let them go on: <c>Life</c>.</summary>
    PauseCommand,

    /// <summary>Ask a command to save its state and to end: <c>Life</c>.</summary>
    AskToYield,

    /// <summary>A command lent its slot, or has it again: <c>Id</c>, <c>Freeze</c>.</summary>
    FreezeCommand,

    /// <summary>The same of a call worker: <c>Worker</c>.</summary>
    FreezeWorker,

    /// <summary>A worker is to be written down: <c>Capture</c>.</summary>
    Capture,

    /// <summary>A captured worker goes on after all: <c>Worker</c>.</summary>
    LetGo,

    /// <summary>A worker that continues a call may begin: <c>CallWorker</c>.</summary>
    GoOn,

    /// <summary>A call goes on from its file: <c>Continuation</c>.</summary>
    Continue,

    /// <summary>A worker is made of what comes through a pipe: <c>Standby</c>, <c>Count</c>.</summary>
    BeginStandby,

    /// <summary>The rest of what it needs: <c>Continuation</c>, <c>Filling</c>.</summary>
    FillStandby,

    /// <summary>Nobody needs it: <c>Continuation</c>.</summary>
    GiveUpStandby,

    /// <summary>A worker's calls are of another class than it weighs as: <c>Class</c>.</summary>
    WeighWorker,
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
    long Deadline = 0,
    LifeRequest? Life = null,
    TaskClass Class = TaskClass.Normal,
    bool Freeze = false,
    Capture? Capture = null,
    Continuation? Continuation = null,
    Standby? Standby = null,
    CheckpointState? Filling = null);
