using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Completions;

/// <summary>Which end a process's end is.</summary>
internal static class ExitCauses
{
    private const int Sigkill = 9;

    /// <param name="exit">What the spawner told.</param>
    /// <param name="violation">What the daemon found in the channel, if it killed the worker for that.</param>
    public static (TaskState State, TaskCause Cause) Of(in WorkerExit exit, string? violation = null)
    {
        if (violation is not null)
        {
            return (TaskState.Failed, new TaskCause(CauseType.SandboxViolation, 0, $"channel: {violation}"));
        }

        if (exit is { DiskFull: true, Kind: ExitKind.Code, Value: not 0 } or { DiskFull: true, Kind: ExitKind.Signal, Text.Length: 0 })
        {
            return (TaskState.Failed, new TaskCause(CauseType.DiskQuota, exit.Value, FullDisk(exit)));
        }

        return exit.Kind switch
        {
            ExitKind.Code => (exit.Value == 0 ? TaskState.Succeeded : TaskState.Failed, new TaskCause(CauseType.Exit, exit.Value)),
            // The spawner says why when the signal was its own: its image ended, for example.
            ExitKind.Signal => (TaskState.Failed, exit.Text.Length > 0 ? Lost(exit.Text) : new TaskCause(CauseType.Signal, exit.Value)),
            ExitKind.OutOfMemory => (TaskState.Failed, new TaskCause(CauseType.OutOfMemory, 0, "the memory limit of its group was hit")),
            ExitKind.Violation => (TaskState.Failed, new TaskCause(
                CauseType.SandboxViolation, exit.Value, exit.Text.Length > 0 ? exit.Text : $"syscall {exit.Value}")),
            ExitKind.NotStarted => (TaskState.Failed, Lost($"its worker could not be started: {exit.Text}")),
            _ => (TaskState.Failed, Lost(exit.Text.Length > 0 ? exit.Text : "its worker was killed")),
        };
    }

    /// <summary>The end of a call whose worker ended: even exit code 0 is no result.</summary>
    public static (TaskState State, TaskCause Cause) OfCall(in WorkerExit exit, string? violation)
    {
        if (violation is null && exit is { Kind: ExitKind.Signal, Value: Sigkill, Text.Length: 0 })
        {
            // A worker is pid 1 of its namespace: the kernel shields it from its own SIGKILL, so it came from outside.
            return (TaskState.Failed, Lost("its worker was killed from outside"));
        }

        var end = Of(exit, violation);
        return end.State == TaskState.Succeeded
            ? (TaskState.Failed, new TaskCause(CauseType.Exit, exit.Value, "the function ended its process instead of returning"))
            : end;
    }

    /// <summary>How it was decided is said with it: a command may fail for other reasons while its space happens to be full.</summary>
    private static string FullDisk(in WorkerExit exit) =>
        $"its writable space (/tmp) was full when it ended with {(exit.Kind == ExitKind.Code ? "exit code" : "signal")} {exit.Value}; more can be asked for with limits.disk_bytes";

    public static TaskCause Lost(string why) => new(CauseType.WorkerLost, 0, why);
}
