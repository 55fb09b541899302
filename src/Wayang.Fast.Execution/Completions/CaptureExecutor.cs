using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// The completion thread's part of checkpoints: whether a worker that stands still is still what was asked for, and, once its file is whole, the one step at which the call
/// stops being the worker's and becomes the file's.
/// </summary>
internal sealed class CaptureExecutor(Shard shard, TaskTable table, TaskLifecycle lifecycle, CompletionReceiver receiver)
{
    private static readonly TaskCause s_restarted = new(CauseType.Cancelled, 0, "it gave its place back, and begins anew (migration: restart)");

    /// <summary>Set once by the composition.</summary>
    public Supervisor Supervisor { get; set; } = null!;

    public void Execute(in CompletionCommand command)
    {
        switch (command.Kind)
        {
            case CompletionCommandKind.Captured:
                OnCaptured(command.Capture!);
                break;
            case CompletionCommandKind.CaptureFailed:
                Abandon(command.Capture!, command.Refusal!);
                break;
            case CompletionCommandKind.CheckpointWritten:
                OnWritten(command.Capture!);
                break;
            case CompletionCommandKind.RestartDue:
                OnRestartDue(command.Capture!);
                break;
            default:
                OnContinuationFailed(command.Continuation!, command.Reason!);
                break;
        }
    }

    /// <summary>The worker stands still: its last words are read, then what belongs to it is copied.</summary>
    private void OnCaptured(Capture capture)
    {
        var worker = capture.Worker;
        capture.Stands = true;
        if (capture.IsLive)
        {
            capture.CountTime();
        }

        if (!Holds(capture))
        {
            if (!worker.IsGone)
            {
                Supervisor.LetGo(worker.Id); // it was given up while the agent was at work: only now can it be let go
            }

            return;
        }

        receiver.DrainToEnd(worker);
        if (WhyNot(capture) is { } why)
        {
            Abandon(capture, why);
            return;
        }

        var record = table[capture.Slot];
        long? left = capture.TimeLeft == long.MaxValue ? null : Math.Max(1, capture.TimeLeft * 1000 / Stopwatch.Frequency);
        if (worker.Entries[capture.Index].OutputTotal >= 0
            || worker.Describe(capture.Task, (record.Target as PoolTarget)?.FunctionName ?? string.Empty, capture.Ticket, left) is not { } state)
        {
            Abandon(capture, new OperationError(ErrorCode.Conflict, "its answer is on its way already", "task"));
            return;
        }

        capture.Position = worker.Reader.Position;
        capture.Describe(state);
    }

    /// <summary>The file is whole.</summary>
    private void OnWritten(Capture capture)
    {
        if (!Holds(capture))
        {
            CheckpointStore.DeleteSoon(capture.File!); // who asked was told why
            return;
        }

        var worker = capture.Worker;
        receiver.DrainToEnd(worker);
        var why = WhyNot(capture);
        if (why is null && worker.Reader.Position != capture.Position)
        {
            why = new OperationError(ErrorCode.Conflict, "its worker went on before it was done (the migration agent was lost)", "task", 100);
        }

        if (why is null && !lifecycle.TryCheckpoint(table[capture.Slot], capture.Task, capture.File!, capture.Succeed))
        {
            why = new OperationError(ErrorCode.Conflict, "it does not run any more", "task", 100);
        }

        if (why is not null)
        {
            CheckpointStore.DeleteSoon(capture.File!);
            Abandon(capture, why);
            return;
        }

        Supervisor.CheckpointReport.OnWritten(capture, table[capture.Slot].Tenant);
        Leave(capture); // nothing of its ring was read meanwhile
    }

    /// <summary>The call is ended whatever it does, unless its end has come; its task waits, paused.</summary>
    private void OnRestartDue(Capture capture)
    {
        if (!Holds(capture))
        {
            return; // who asked was told why
        }

        receiver.DrainToEnd(capture.Worker);
        var why = WhyNot(capture);
        if (why is null && capture.Worker.Entries[capture.Index].OutputTotal >= 0)
        {
            why = new OperationError(ErrorCode.Conflict, "its answer is on its way already", "task");
        }

        if (why is null && !lifecycle.TryRestart(table[capture.Slot], capture.Task, s_restarted))
        {
            why = new OperationError(ErrorCode.Conflict, "it does not run any more", "task", 100);
        }

        if (why is not null)
        {
            Abandon(capture, why);
            return;
        }

        Leave(capture);
        capture.Succeed();
    }

    /// <summary>
    /// From here on the worker's words are stale. Its slot is given back when its process is gone. Where somebody hands the file over it stands a moment longer: the end of its memory takes a processor for
    /// milliseconds, for which the call would stand still elsewhere.
    /// </summary>
    private void Leave(Capture capture)
    {
        var worker = capture.Worker;
        ref var entry = ref worker.Entries[capture.Index];
        Volatile.Write(ref entry.Deadline, long.MaxValue);
        Volatile.Write(ref entry.Ticket, 0);
        worker.PendingEnds[capture.Index] = null;
        worker.Capture = null;
        if (capture.Sender is { } sender)
        {
            sender.WhenClosed(() => shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker)));
        }
        else
        {
            shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker));
        }
    }

    /// <summary>
    /// Whether the capture is still under way. While it is, the worker's channel is mapped: what unmaps it comes behind <see cref="OnGone"/>, which ends the capture,
    /// and both are this thread's. Whatever came of a capture is judged by this first.
    /// </summary>
    private static bool Holds(Capture capture) => capture.Worker.Capture == capture;

    /// <summary>The runtime stops: nobody waits for a file any more.</summary>
    public void GiveUpAll()
    {
        foreach (var worker in Supervisor.Workers.All())
        {
            worker.Capture?.GiveUp(new OperationError(ErrorCode.Unavailable, "the node is stopping", "task"));
        }
    }

    /// <summary>The worker is gone: whatever was under way with it is over.</summary>
    public void OnGone(CallWorker worker)
    {
        if (worker.Continuation is { HasBegun: false, IsAhead: false } unbegun)
        {
            var gone = worker.Violation ?? worker.Exit?.Text;
            OnContinuationFailed(unbegun, string.IsNullOrEmpty(gone) ? "its worker ended before the call went on" : gone);
        }

        if (worker.Capture is { } capture)
        {
            worker.Capture = null;
            if (!capture.IsRestart)
            {
                Supervisor.CheckpointReport.OnNotWritten();
            }

            capture.GiveUp(new OperationError(ErrorCode.Conflict, "its worker ended meanwhile", "task"));
        }
    }

    /// <summary>It could not be continued: it stands as it stood, and says why.</summary>
    private void OnContinuationFailed(Continuation continuation, string why)
    {
        var record = table[continuation.Slot];
        if (record.CancelRequested && record.Id == continuation.Task && record.State == TaskState.Starting)
        {
            var asked = record.Life?.Asked ?? new AskedEnd(TaskState.Cancelled, new TaskCause(CauseType.Cancelled));
            lifecycle.End(record, asked.State, asked.Cause);
            return;
        }

        if (lifecycle.TryReturn(record, continuation.Task, why))
        {
            Supervisor.CheckpointReport.OnNotContinued(continuation, why);
        }
    }

    private OperationError? WhyNot(Capture capture)
    {
        var worker = capture.Worker;
        var ended = worker.Violation is not null || worker.Exit is not null || worker.Entries[capture.Index].Ticket != capture.Ticket;
        return ended ? new OperationError(ErrorCode.Conflict, "its call ended meanwhile", "task")
            : worker.PendingEnds[capture.Index] is not null || table[capture.Slot].CancelRequested
                ? new OperationError(ErrorCode.Conflict, "it was asked to end", "task")
                : null;
    }

    /// <summary>The worker goes on, if it is there; its time runs again.</summary>
    private void Abandon(Capture capture, OperationError why)
    {
        var worker = capture.Worker;
        if (!capture.IsRestart)
        {
            Supervisor.CheckpointReport.OnNotWritten();
        }

        if (Holds(capture))
        {
            worker.Capture = null;
            if (capture.Stands)
            {
                Supervisor.LetGo(worker.Id);
            }
            else if (capture.IsLive)
            {
                capture.CountTime();
            }

            ref var entry = ref worker.Entries[capture.Index];
            if (entry.Ticket == capture.Ticket && capture.TimeLeft != long.MaxValue)
            {
                var deadline = Stopwatch.GetTimestamp() + capture.TimeLeft;
                if (Interlocked.CompareExchange(ref entry.Deadline, deadline, long.MaxValue) == long.MaxValue)
                {
                    Supervisor.WatchDeadline(deadline);
                }
            }

            if (worker.IsFrozen)
            {
                shard.Post(new ShardEvent(ShardEventKind.CaptureAbandoned, worker));
            }
        }

        capture.GiveUp(why);
    }
}
