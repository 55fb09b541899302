using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Execution.Commands;

/// <content>
/// Commands that stand still: paused by somebody, or preempted, or both. All their processes are frozen between two instructions (by
/// the spawner: the freezer of the group, else SIGSTOP); the timeout stands still meanwhile, a deadline does not. One that is
/// asked to end goes on, so that it has its grace.
/// </content>
internal sealed partial class CommandRunner
{
    /// <summary>Freezes a command's processes because somebody asked. Doing it twice does no harm.</summary>
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

        SetPaused(run.Record, true);
        Hold(run, FreezeHolds.Paused);
        return null;
    }

    /// <summary>Lets it go on with what is left of its time, unless it stands still for another reason too.</summary>
    /// <returns>The timestamp at which it is stopped; <see cref="long.MaxValue"/> when it does not run now.</returns>
    public long Resume(TaskId task)
    {
        if (!_byTask.TryGetValue(task, out var run) || !run.Holds.HasFlag(FreezeHolds.Paused))
        {
            return long.MaxValue;
        }

        SetPaused(run.Record, false);
        return Release(run, FreezeHolds.Paused);
    }

    /// <summary>Freezes a command whose slot was lent, or lets it go on. Nothing, when it is ending: then its end gives everything back.</summary>
    /// <returns>The timestamp at which it is stopped; <see cref="long.MaxValue"/> when it does not run now.</returns>
    public long Preempt(TaskId task, bool freeze)
    {
        if (!_byTask.TryGetValue(task, out var run) || run.Exit is not null || run.PendingEnd is not null)
        {
            return long.MaxValue;
        }

        if (freeze)
        {
            lifecycle.TryFreeze(run.Record, task);
            Hold(run, FreezeHolds.Preempted);
            return long.MaxValue;
        }

        lifecycle.TryThaw(run.Record, task);
        return Release(run, FreezeHolds.Preempted);
    }

    private void Hold(CommandRun run, FreezeHolds reason)
    {
        if (run.Holds == FreezeHolds.None)
        {
            run.TimeLeft = Math.Max(0, run.Deadline - Stopwatch.GetTimestamp());
            run.Deadline = long.MaxValue;
            link.SendFreeze(run.Id, freeze: true);
        }

        run.Holds |= reason;
    }

    private long Release(CommandRun run, FreezeHolds reason)
    {
        var before = run.Holds;
        run.Holds &= ~reason;
        if (before != FreezeHolds.None && run.Holds == FreezeHolds.None && run.Exit is null)
        {
            if (run.PendingEnd is null)
            {
                run.Deadline = Stopwatch.GetTimestamp() + run.TimeLeft;
            }

            link.SendFreeze(run.Id, freeze: false);
        }

        return run.Deadline;
    }

    private void ReleaseAll(CommandRun run)
    {
        if (run.Holds != FreezeHolds.None)
        {
            lifecycle.TryThaw(run.Record, run.TaskId);
            Release(run, run.Holds);
        }
    }

    private static void SetPaused(TaskRecord record, bool paused)
    {
        if (record.Life is { } life)
        {
            life.Paused = paused;
        }
    }
}
