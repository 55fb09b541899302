using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Execution.Commands;

/// <content>
/// Pauses. The command's init stops every process of its pid namespace but itself (SIGSTOP to all, which the kernel does at once and no
/// process can refuse); its timeout stands still meanwhile, a deadline does not.
/// </content>
internal sealed partial class CommandRunner
{
    private const int Sigstop = 19;
    private const int Sigcont = 18;

    /// <summary>Stops a command's processes. Doing it twice does no harm.</summary>
    /// <returns>Null when done; else why not.</returns>
    public OperationError? Pause(TaskId task)
    {
        if (!_byTask.TryGetValue(task, out var run) || run.ProcessId == 0)
        {
            return new OperationError(ErrorCode.Unavailable, "it is just being started, or just ending: try again", "task", 10);
        }

        if (run.Exit is not null || run.PendingEnd is not null)
        {
            return new OperationError(ErrorCode.Conflict, "it is ending", "task");
        }

        if (run.PausedWith is null)
        {
            run.PausedWith = Math.Max(0, run.Deadline - Stopwatch.GetTimestamp());
            run.Deadline = long.MaxValue;
            SetPaused(run.Record, true);
            link.SendSignal(run.Id, Sigstop);
        }

        return null;
    }

    /// <summary>Lets it go on with what is left of its time.</summary>
    /// <returns>The timestamp at which it is stopped; <see cref="long.MaxValue"/> when it was not paused.</returns>
    public long Resume(TaskId task)
    {
        if (!_byTask.TryGetValue(task, out var run) || run.PausedWith is not { } left)
        {
            return long.MaxValue;
        }

        run.PausedWith = null;
        SetPaused(run.Record, false);
        if (run.Exit is null && run.PendingEnd is null)
        {
            run.Deadline = Stopwatch.GetTimestamp() + left;
            link.SendSignal(run.Id, Sigcont);
        }

        return run.Deadline;
    }

    private static void SetPaused(TaskRecord record, bool paused)
    {
        if (record.Life is { } life)
        {
            life.Paused = paused;
        }
    }
}
