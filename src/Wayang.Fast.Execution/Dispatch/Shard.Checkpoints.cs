using System.Diagnostics;
using System.Runtime.CompilerServices;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// Calls that are written down and continued. A worker whose call is to be written down leaves its pool at once: no other call may meet it. One that continues a call is made for it
/// alone, beside the pool's slots, and ends with it.
/// </content>
internal sealed partial class Shard
{
    private void BeginCapture(Capture capture)
    {
        var worker = capture.Worker;
        ref var entry = ref worker.Entries[capture.Index];
        if (WhyNoCapture(worker, capture) is { } why)
        {
            capture.GiveUp(why);
            return;
        }

        if (worker.Phase == WorkerPhase.Serving)
        {
            Withdraw(worker);
        }

        var deadline = Interlocked.Exchange(ref entry.Deadline, long.MaxValue); // SYNC POINT: as of a freeze, see Lend
        capture.TimeLeft = deadline == long.MaxValue ? long.MaxValue : Math.Max(1, deadline - _now);
        worker.Capture = capture;
        capture.IsLive = !worker.IsFrozen && !capture.IsRestart; // one that is to stand still does not run for it
        if (worker.IsFrozen)
        {
            capture.TimeLeft = Math.Min(capture.TimeLeft, worker.TakeFrozenTime(capture.Index));
            if (!capture.IsRestart)
            {
                // Its slot stays lent. What a group's freezer holds no tracer reaches: from here on the agent holds it, and nothing of it runs but until that one is there.
                Supervisor.FreezeWorker(worker.Id, freeze: false);
            }
        }

        Supervisor.Capture(capture);
    }

    /// <summary>A frozen worker that was to be written down was not: it has its slot again, as its agent or nobody holds it.</summary>
    private void ThawForFailure(CallWorker worker)
    {
        if (worker.IsFrozen)
        {
            ThawForEnd(worker);
        }
    }

    private static OperationError? WhyNoCapture(CallWorker worker, Capture capture) =>
        !worker.IsServing || Volatile.Read(ref worker.Entries[capture.Index].Ticket) != capture.Ticket
            ? new OperationError(ErrorCode.Conflict, "its call has just ended, or its worker is being ended", "task")
        : worker.Capture is not null ? new OperationError(ErrorCode.Conflict, "it is being written down already", "task")
        : worker.Concurrency - worker.FreeCount > 1
            ? new OperationError(ErrorCode.Unsupported, "its worker has other calls in flight (workers.concurrency), which cannot be taken apart", "task")
        : worker.Uploads.Count > 0 ? new OperationError(ErrorCode.Conflict, "its input is still on its way to the worker", "task", 100)
        : null;

    /// <summary>It takes no more calls, and ends when it has none in flight.</summary>
    private void Withdraw(CallWorker worker)
    {
        var pool = worker.Pool;
        _scheduler.AddSlots(pool.SchedulerId, FinishReleased(worker, Stopwatch.GetTimestamp()));
        if (worker.InAvailable)
        {
            worker.InAvailable = false;
            pool.Available.Remove(worker);
        }

        _scheduler.AddSlots(pool.SchedulerId, -worker.FreeCount);
        worker.Phase = WorkerPhase.Leaving;
        MarkDirty(pool);
    }

    /// <summary>A task that was started, and whose call stands in a file: it keeps the node's slot, and gives the pool's back, as it gets a worker of its own.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Continue(TaskRecord record, WorkerPool pool, byte level, TaskCheckpoint checkpoint)
    {
        Dispatched++;
        _scheduler.AddSlots(pool.SchedulerId, 1);
        if (pool.LiveWorkers - pool.FrozenWorkers >= pool.MaxWorkers && FindIdle(pool, long.MaxValue) is { } spare)
        {
            Detach(spare);
            Supervisor.Kill(spare.Id);
        }

        pool.Starting++;
        if (Standbys.Take(checkpoint.File, pool) is { IsLost: false } ahead && ahead.Task == record.Id)
        {
            ahead.Bind(record.Slot, level, checkpoint, record.Life!.IsDurable);
            if (ahead.Ready is { } worker)
            {
                TakeContinued(worker);
            }

            return; // else when it stands
        }

        Supervisor.Continue(new Continuation(pool, record.Id, record.Slot, level, checkpoint, record.Life!.IsDurable));
    }

    /// <summary>No worker could be made for it, or that one ended before the call was in flight in it.</summary>
    private void GiveUpContinuation(Continuation continuation)
    {
        if (continuation.IsAhead && !continuation.IsLost && !continuation.IsSettled)
        {
            continuation.IsLost = true;
            if (continuation.Checkpoint is not { } checkpoint)
            {
                return; // it was nobody's
            }

            if (_table[continuation.Slot] is var record && record.Id == continuation.Task && record.State == TaskState.Starting)
            {
                Supervisor.Continue(new Continuation(continuation.Pool, record.Id, record.Slot, continuation.Level, checkpoint, continuation.IsDurable)); // from the file
                return;
            }
        }

        if (!continuation.IsSettled && continuation.Checkpoint is not null)
        {
            continuation.IsSettled = true;
            continuation.Pool.Starting--;
            Finish(continuation.Pool, continuation.Level, -1);
            MarkDirty(continuation.Pool);
        }
    }

    /// <summary>A worker stands where the call stood: it is in flight again, and the worker may go.</summary>
    private void TakeContinued(CallWorker worker)
    {
        var continuation = worker.Continuation!;
        if (worker.Phase != WorkerPhase.Starting)
        {
            return; // its process ended meanwhile
        }

        if (continuation.Checkpoint is null)
        {
            continuation.Ready = worker; // until its task comes up
            return;
        }

        var record = _table[continuation.Slot];
        if (continuation.Pool.Closed || record.Id != continuation.Task || record.State != TaskState.Starting)
        {
            Supervisor.Kill(worker.Id); // its end gives back what it has
            return;
        }

        (continuation.HasBegun, continuation.IsSettled) = (true, true);
        var (pool, state) = (continuation.Pool, continuation.State!);
        pool.Starting--;
        pool.Workers.Add(worker);
        worker.Phase = WorkerPhase.Leaving;
        ref var entry = ref worker.TakeEntry(state.Ticket);
        entry.Since = _now;
        entry.TakenLevel = continuation.Level;
        entry.Record = record.Slot;
        entry.Level = record.Level;
        entry.Order = worker.NextOrder++;
        entry.OutputTotal = -1;
        entry.OutputKind = 0;
        var deadline = state.TimeLeftMs is { } left ? _now + (left * s_ticksPerMillisecond) : long.MaxValue;
        Volatile.Write(ref entry.Deadline, deadline);
        Volatile.Write(ref entry.Ticket, state.Ticket);
        record.Ticket = state.Ticket;
        record.InFlightIndex = (int)(state.Ticket & 0xFF);
        if (pool.TellsFacts)
        {
            // Its time stood still in the file, and the clock may be another host's.
            var told = deadline == long.MaxValue ? long.MaxValue : deadline * (1_000_000_000 / Stopwatch.Frequency);
            worker.Writer.SetFacts(record.InFlightIndex, state.Ticket, record.Id.High, record.Id.Low, (uint)(record.Life?.Attempt ?? 1), told);
        }

        // SYNC POINT: as of Call.
        Volatile.WriteBarrier();
        record.Worker = (int)(worker.Id & 0xFFFF);
        _lifecycle.Continue(record, _now);
        Supervisor.WatchDeadline(deadline);
        Supervisor.GoOn(worker);
        MarkDirty(pool);
    }
}
