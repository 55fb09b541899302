using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// The completion thread's rare work: lost workers, cancels, timeouts, tasks that never ran. It decides the cause of each
/// end; the record's pending end (what we asked for) wins over how the process happened to die of it.
/// </summary>
internal sealed class CommandExecutor(Shard shard, TaskTable table, TaskLifecycle lifecycle, CompletionReceiver receiver, LifeExecutor life)
{
    /// <summary>Time that a call or command gets between the request to stop and the kill.</summary>
    public static readonly TimeSpan CancelGrace = TimeSpan.FromSeconds(1);

    // About a millisecond's worth; the completions of all tasks wait for it.
    private const int SweepLimit = 256;

    private readonly CaptureExecutor _captures = new(shard, table, lifecycle, receiver);
    private Supervisor _supervisor = null!;

    /// <summary>Set once by the composition.</summary>
    public Supervisor Supervisor
    {
        get => _supervisor;
        set => _supervisor = _captures.Supervisor = value;
    }

    /// <summary>There is more to forget than one <see cref="Sweep"/> may: the next one is owed at the next turn.</summary>
    public bool OwesSweep { get; private set; }

    /// <summary>Forgets some of the tasks that are to be forgotten.</summary>
    public void Sweep() => OwesSweep = lifecycle.Sweep(SweepLimit) >= SweepLimit;

    public void Execute(in CompletionCommand command)
    {
        switch (command.Kind)
        {
            case CompletionCommandKind.WorkerExited:
                if (command.Worker!.Exit is not null)
                {
                    break; // told already; the loss of the spawner is told for all workers once more
                }

                command.Worker.Exit = command.Exit;
                receiver.DrainToEnd(command.Worker);
                shard.Post(new ShardEvent(ShardEventKind.DetachWorker, command.Worker));
                break;
            case CompletionCommandKind.WorkerDetached:
                _captures.OnGone(command.Worker!);
                EndAll(command.Worker!);
                command.Worker!.IsGone = true; // from here on its channel is the supervisor's to unmap
                Supervisor.Dispose(command.Worker!);
                break;
            case CompletionCommandKind.End or CompletionCommandKind.CommandYielded:
                EndCommand(command);
                break;
            case CompletionCommandKind.EndCached:
                lifecycle.EndCached(command.Record!, command.Result!);
                break;
            case CompletionCommandKind.Cancel:
                Stop(command.Id, TaskState.Cancelled, new TaskCause(CauseType.Cancelled));
                break;
            case CompletionCommandKind.Stop:
                Stop(command.Id, command.State, command.Cause);
                break;
            case CompletionCommandKind.Life:
                life.Execute(command.Life!);
                break;
            case CompletionCommandKind.YieldOverdue:
                life.ForgetWish(command.Life!);
                break;
            case CompletionCommandKind.Requeue:
                life.Requeue(command.Id);
                break;
            case CompletionCommandKind.Stored:
                life.Release(command.Id);
                break;
            case CompletionCommandKind.StoreRefused or CompletionCommandKind.EndStored:
                OnStored(command);
                break;
            case CompletionCommandKind.CallExpired:
                Expire(command.Worker!, command.Ticket);
                break;
            case CompletionCommandKind.Violation:
                receiver.Violate(command.Worker!, command.Reason!);
                break;
            case CompletionCommandKind.Unresponsive:
                GiveUp(command.Worker!, command.Reason!);
                break;
            case CompletionCommandKind.Sweep:
                Sweep();
                break;
            case CompletionCommandKind.Shutdown:
                EndEverything();
                break;
            default:
                _captures.Execute(command);
                break;
        }
    }

    /// <summary>What it saved counts for the attempt that follows, whatever it ended as.</summary>
    private void EndCommand(in CompletionCommand command)
    {
        var record = command.Record!;
        record.PeakMemoryBytes = command.Exit.PeakMemoryBytes;
        record.CpuMicroseconds = command.Exit.CpuMicroseconds;
        if (command.Saved is { } saved && record.State < TaskState.Succeeded && lifecycle.States.TryBegin(saved.Length, shard.MaxStatesBytes) is { } state)
        {
            state.TryAppend(saved);
            lifecycle.Save(record, state);
        }

        if (command.Kind == CompletionCommandKind.CommandYielded && !record.CancelRequested && lifecycle.TryYield(record, command.Id, out var enqueue))
        {
            if (enqueue)
            {
                shard.Post(new ShardEvent(ShardEventKind.Requeue, Ticket: (uint)record.Slot));
            }

            return;
        }

        lifecycle.End(record, command.State, command.Cause);
    }

    private void OnStored(in CompletionCommand command)
    {
        if (table.Find(command.Id) is not { } record)
        {
            return;
        }

        if (command.Kind == CompletionCommandKind.StoreRefused)
        {
            lifecycle.EndRefused(record, command.Cause);
        }
        else
        {
            lifecycle.EndStored(record);
        }
    }

    /// <summary>Ends what a dead worker had in flight: the oldest ran and gets the true cause, the others were lost with it.</summary>
    private void EndAll(CallWorker worker)
    {
        var exit = worker.Exit ?? default;
        var oldest = -1;
        for (var i = 0; i < worker.Entries.Length; i++)
        {
            if (worker.Entries[i].Ticket != 0 && (oldest < 0 || worker.Entries[i].Order < worker.Entries[oldest].Order))
            {
                oldest = i;
            }
        }

        for (var i = 0; i < worker.Entries.Length; i++)
        {
            if (worker.Entries[i].Ticket == 0)
            {
                continue;
            }

            var record = table[worker.Entries[i].Record];
            record.Output.Clear();
            record.PeakMemoryBytes = exit.PeakMemoryBytes;
            record.CpuMicroseconds = exit.CpuMicroseconds;
            var (state, cause) = worker.PendingEnds[i] is { } pending
                ? pending
                : i == oldest ? ExitCauses.OfCall(exit, worker.Violation) : (TaskState.Failed, ExitCauses.Lost("another call ended its worker"));
            receiver.EndCall(worker, i, state, cause, workerServes: false);
        }
    }

    /// <summary>Asks a task to end; what was asked first counts.</summary>
    private void Stop(TaskId id, TaskState state, TaskCause cause)
    {
        var record = table.Find(id);
        if (record is null || record.State >= TaskState.Succeeded)
        {
            return;
        }

        if (record.Life is { } asked)
        {
            (state, cause) = asked.Ask(state, cause);
        }

        record.CancelRequested = true;
        if (lifecycle.TryEndQueued(record, state, cause))
        {
            return;
        }

        if (record.Life?.Stay is { } stay)
        {
            stay.Stop(new AskedEnd(state, cause)); // its end comes back from there
            return;
        }

        // Dispatched meanwhile (or before): ask, then force.
        if (record.Kind == TaskKind.Exec)
        {
            Supervisor.StopCommand(id, state, cause);
            return;
        }

        var worker = FindWorker(record);
        if (worker is null)
        {
            // Between its start and its entry in the in-flight table: look again in a moment.
            Supervisor.RetryCancel(id);
            return;
        }

        worker.PendingEnds[record.InFlightIndex] ??= (state, cause);
        var deadline = Stopwatch.GetTimestamp() + (long)(CancelGrace.TotalSeconds * Stopwatch.Frequency);
        ref var entry = ref worker.Entries[record.InFlightIndex];
        if (deadline < entry.Deadline)
        {
            Volatile.Write(ref entry.Deadline, deadline);
            Supervisor.WatchDeadline(deadline);
        }

        shard.Post(new ShardEvent(ShardEventKind.CancelCall, worker, Ticket: record.Ticket));
    }

    private void Expire(CallWorker worker, uint ticket)
    {
        var index = (int)(ticket & 0xFF);
        if (worker.Entries[index].Ticket != ticket)
        {
            return;
        }

        var record = table[worker.Entries[index].Record];
        worker.PendingEnds[index] ??= (TaskState.TimedOut, new TaskCause(CauseType.Timeout, 0, $"ran longer than {record.TimeoutMs} ms"));
        Volatile.Write(ref worker.Entries[index].Deadline, long.MaxValue);

        // Not a bare kill: the worker may answer yet, and must not get another call before the signal arrives.
        shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker));
    }

    /// <summary>A worker that does nothing is ended; its calls are lost with it, and say why.</summary>
    private void GiveUp(CallWorker worker, string reason)
    {
        for (var i = 0; i < worker.Entries.Length; i++)
        {
            if (worker.Entries[i].Ticket != 0)
            {
                worker.PendingEnds[i] ??= (TaskState.Failed, ExitCauses.Lost(reason));
                Volatile.Write(ref worker.Entries[i].Deadline, long.MaxValue);
            }
        }

        shard.Post(new ShardEvent(ShardEventKind.RetireWorker, worker));
    }

    private CallWorker? FindWorker(TaskRecord record)
    {
        var place = record.Worker;
        if (place < 0)
        {
            return null;
        }

        // SYNC POINT: partner is Shard.Dispatch, which writes the place last.
        Volatile.ReadBarrier();
        var index = record.InFlightIndex;
        return Supervisor.Workers.At(place) is { } worker
            && (uint)index < (uint)worker.Entries.Length && Volatile.Read(ref worker.Entries[index].Ticket) == record.Ticket
            ? worker
            : null;
    }

    private void EndEverything()
    {
        _captures.GiveUpAll();
        foreach (var record in table.Records())
        {
            // Durable ones go on at the next start: what was stored of them is all that is true of them.
            if (record.State is > TaskState.None and < TaskState.Succeeded && record.Life is not { IsDurable: true })
            {
                lifecycle.End(record, TaskState.Failed, new TaskCause(CauseType.Shutdown, 0, "the runtime was stopped"));
            }
        }

        lifecycle.EndBatch();
    }
}
