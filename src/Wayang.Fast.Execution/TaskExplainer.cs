using System.Diagnostics;
using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <summary>Says in a paragraph why a task waits, or was placed as it was. Cold; any thread; of momentary values.</summary>
internal sealed class TaskExplainer(TaskLifecycle lifecycle, WorkerTable workers, Shard shard, MemoryPlan memory, LiveOptions options, Supervisor supervisor)
{
    private const long Mebibyte = 1 << 20;

    public TaskExplanation? Explain(TaskId id, int tenant)
    {
        if (!lifecycle.TryPin(id, out var record))
        {
            return null;
        }

        try
        {
            if (record.Tenant != tenant)
            {
                return null;
            }

            var text = new StringBuilder();
            var state = record.State;
            if (state < TaskState.Succeeded && Stored(text, record))
            {
                return new TaskExplanation(id, state, text.ToString().TrimEnd());
            }

            if (record.Target is not PoolTarget target)
            {
                return null;
            }

            switch (state)
            {
                case TaskState.Queued when record.Life is { Paused: true } life:
                    Held(text, life);
                    break;
                case TaskState.Queued:
                    Waiting(text, record, target.Pool);
                    break;
                case TaskState.Starting or TaskState.Running or TaskState.Frozen:
                    Placed(text, record, target.Pool);
                    break;
                default:
                    Placed(text, record, target.Pool);
                    Ended(text, record, state);
                    break;
            }

            Saved(text, record.Life);
            Moved(text, record);
            Preempted(text, record);
            Learned(text, record);
            return new TaskExplanation(id, state, text.ToString().TrimEnd());
        }
        finally
        {
            lifecycle.Unpin(record);
        }
    }

    /// <summary>What a durable task waits for beside the scheduler.</summary>
    private static bool Stored(StringBuilder text, TaskRecord record)
    {
        if (record.Life is not { IsDurable: true } life || (life.Ending is null && !life.AwaitsLedger))
        {
            return false;
        }

        if (life.Ending is { } ending)
        {
            Add(text, $"It is over ({WireNames.Text(ending.State)}): that is told once the ledger has stored it.");
        }
        else if (record.Target is null)
        {
            Add(text, $"It is of an earlier start of the node, and waits for what it runs: its image, or its profile.");
        }
        else
        {
            Add(text, $"It waits until the ledger has stored it.");
        }

        return true;
    }

    /// <summary>It waits for nothing but somebody's word.</summary>
    private static void Held(StringBuilder text, TaskLife life)
    {
        if (life.Checkpoint is not { } checkpoint)
        {
            Add(text, $"It is paused, and waits until it is resumed (task.resume).");
            return;
        }

        Add(text, $"Its call was written down {Words(DateTimeOffset.UtcNow - checkpoint.At)} ago, into {Size(checkpoint.Bytes)} of this node, and gave its slot and its worker back: it goes on at the instruction where it stood when it is resumed (task.resume).");
        if (checkpoint.Failure is { } failure)
        {
            Add(text, $"It could not go on when that was last tried: {failure}.");
        }
    }

    private void Waiting(StringBuilder text, TaskRecord record, WorkerPool pool)
    {
        var waited = Stopwatch.GetElapsedTime(record.Submitted);
        Add(text, $"It has waited {Words(waited)} at level {record.Level} ({WireNames.Text(SchedulerOptions.ClassOf(record.Level))}).");
        if (pool.Image.State is ImageState.Opening or ImageState.Lost)
        {
            Add(text, $"Its image {pool.Name} is being loaded ({pool.Image.State.ToString().ToLowerInvariant()}): nothing of it can run yet.");
            return;
        }

        shard.TryPeek(pool, out var queued, out var free);
        if (shard.IsHeld(pool))
        {
            Add(text, $"Its tenant '{pool.Tenant.Policy.Name}' runs as many tasks as it may ({shard.RunningOf(pool.Tenant)}, max_running of its entry in tenants:): its highest that waits goes next when one of them ends.");
        }
        else if (shard.IsNodeFull)
        {
            Add(text, $"The node runs as many tasks as it may ({shard.Outstanding}, limits.concurrent_tasks): the highest that waits goes next when one ends.");
        }
        else if (shard.WaitsForMemory(record.Slot))
        {
            Add(text, $"It waits for memory: {Size(record.Reservation.Bytes)} are to be set aside for it ({Source(record.Reservation.Source)}), and {Size(shard.ReservedMemory)} of the node's {Size(memory.Capacity)} are.");
        }
        else if (free > 0)
        {
            Add(text, $"Its pool {pool.Name} has {free} free slots: it is about to go.");
        }
        else if (pool.IsCommand)
        {
            Add(text, $"All {pool.MaxWorkers} places for commands of its tenant under profile {pool.Key.Profile} are taken (workers.max_per_pool).");
        }
        else
        {
            Add(text, $"The {pool.Workers.Count} workers of its pool {pool.Name} are busy, {pool.Starting} are being started, and {pool.MaxWorkers} is the bound (workers.max_per_pool).");
            if (memory.IsPressed)
            {
                Add(text, $"No pool grows now, as the host is short of memory.");
            }

            if (pool.StartsFailed)
            {
                Add(text, $"The last start of a worker failed: {pool.StartFailure}.");
            }
        }

        Unpreempted(text, record);
        if (queued > 1)
        {
            Add(text, $"{queued - 1} other tasks wait in the same pool; those of higher levels and those that came earlier go first.");
        }
    }

    private void Placed(StringBuilder text, TaskRecord record, WorkerPool pool)
    {
        if (record.Life?.Stay is { } stay)
        {
            Add(text, $"Its call goes on at node '{stay.Node}' since {Words(Stopwatch.GetElapsedTime(record.Running))}, {WhereFrom(record)}");
            return;
        }

        if (record.Started == 0)
        {
            Add(text, $"It never got a worker.");
            return;
        }

        Add(text, $"It waited {Words(TimeSpan.FromMicroseconds(record.QueueMicroseconds))} at level {record.Level} ({WireNames.Text(SchedulerOptions.ClassOf(record.Level))}),");
        if (pool.IsCommand)
        {
            Add(text, $"then got a fresh process under profile {pool.Key.Profile}, forked in {Words(TimeSpan.FromMicroseconds(record.StartMicroseconds))}.");
            var space = StartLimits.Of(record.Terms?.Limits, options.Current, pool.Key.Profile, supervisor.Welcome);
            if (space.DiskBytes > 0)
            {
                Add(text, $"Its writable space of {Size(space.DiskBytes)} is {(space.OnDisk ? "a file system of its own on the disk" : "of its memory")}.");
            }
        }
        else
        {
            var worker = workers.All().FirstOrDefault(w => (int)(w.Id & 0xFFFF) == record.Worker && w.Pool == pool);
            var which = worker is null ? "a worker that is gone by now" : FormattableString.Invariant($"worker {worker.Id} (process {worker.ProcessId}, {worker.NextOrder} calls so far)");
            Add(text, $"then went to {which} of pool {pool.Name}: the one with a free place that worked last, as its caches are warm.");
        }

        if (record.Reservation.Source != ReservationSource.None)
        {
            Add(text, $"{Size(record.Reservation.Bytes)} of memory were set aside for it ({Source(record.Reservation.Source)}).");
        }
    }

    private static string WhereFrom(TaskRecord record) => record.Terms?.Migration switch
    {
        TaskMigration.Cooperative => "from what it had saved (migration: cooperative); if that node is lost its attempt is, and the next begins from what it had saved there a moment before.",
        TaskMigration.Restart => "from its beginning (migration: restart); if that node is lost it begins anew.",
        _ => "from where it stood here; its file stays here until its end is known, in case that node is lost.",
    };

    private static void Saved(StringBuilder text, TaskLife? life)
    {
        if (life?.Wish is not null)
        {
            Add(text, $"It was asked to save its state and to give its place back (migration: cooperative), and has not answered yet.");
        }

        if (life?.Facts().Saved is { } saved)
        {
            Add(text, $"It has saved its state {saved.Times} time{(saved.Times == 1 ? "" : "s")}, last {saved.Bytes} bytes {Words(DateTimeOffset.UtcNow - saved.At)} ago{(life.Saved is null ? string.Empty : ": its next attempt, if there is one, begins from it")}.");
        }
    }

    private static void Moved(StringBuilder text, TaskRecord record)
    {
        if (record.Life?.Visit is { } visit)
        {
            Add(text, $"It is a task of node '{visit.Home}', and goes on here for it.");
        }

        if (record.Life?.Moves is { } moves)
        {
            Add(text, $"It moved {moves.Times} time{(moves.Times == 1 ? "" : "s")} between nodes, last {(moves.Node is null ? "home" : $"to '{moves.Node}'")} with {Size(moves.Bytes)}, and stood still for {Words(moves.Pause)}{WhyMoved(moves)}.");
        }
    }

    private static string WhyMoved(TaskMoves moves) => moves.Why switch
    {
        MoveReason.Drain => "; the node moved it as it is being drained (node.drain)",
        MoveReason.Preempted => "; the node moved it by itself, as it stood frozen for a task of a higher class and that peer had room (migration.auto)",
        MoveReason.Balance => "; the node moved it by itself, as other tasks waited for its slots and that peer had free ones (migration.auto)",
        _ => string.Empty,
    };

    private static void Preempted(StringBuilder text, TaskRecord record)
    {
        if (record.Life?.Preemption is not { } preemption)
        {
            return;
        }

        var before = preemption.FrozenMicroseconds > 0 ? $", {Words(TimeSpan.FromMicroseconds(preemption.FrozenMicroseconds))} altogether" : string.Empty;
        if (preemption.Since is { } since && record.State == TaskState.Frozen)
        {
            Add(text, $"It is frozen since {Words(DateTimeOffset.UtcNow - since)}: its slot was lent to task {preemption.By}, as {preemption.Reason}.");
            Add(text, $"It goes on when a slot is free that nothing of a higher level waits for, or when it has been frozen for preemption.max_frozen_s.");
        }

        Add(text, $"It was frozen {preemption.Times} time{(preemption.Times == 1 ? "" : "s")}{before}, last for task {preemption.By}.");
    }

    /// <summary>Why a task that could freeze another waits all the same.</summary>
    private void Unpreempted(StringBuilder text, TaskRecord record)
    {
        var policy = options.Current.Preemption;
        var taskClass = SchedulerOptions.ClassOf(record.Level);
        if (!policy.Enabled || taskClass < policy.By)
        {
            return;
        }

        Add(text, $"Nothing was frozen for it: {shard.Frozen} of at most {policy.MaxTasks} tasks are frozen (preemption.max_tasks), holding {Size(shard.Preemption.Bytes)}; only what is of class {WireNames.Text(policy.Of)} or below, and below its own, yields (preemption.of).");
    }

    private static void Ended(StringBuilder text, TaskRecord record, TaskState state)
    {
        var cause = record.Cause;
        var detail = cause.Detail is null ? string.Empty : $": {cause.Detail}";
        Add(text, $"It ended {WireNames.Text(state)}, cause {WireNames.Text(cause.Type)}{detail}, after {Words(TimeSpan.FromMicroseconds(record.RunMicroseconds))}.");
    }

    private void Learned(StringBuilder text, TaskRecord record)
    {
        if (record.Type is not { } type)
        {
            return;
        }

        if (type.Run.Seen > 0)
        {
            Add(text, $"Of {type.Run.Seen} earlier '{type.Key.Function}' half ran at most {Words(TimeSpan.FromMicroseconds(type.Run.Quantile(0.5)))}, 95 % at most {Words(TimeSpan.FromMicroseconds(type.Run.Quantile(0.95)))}");
            if (type.Memory.Seen > 0)
            {
                Add(text, $"with at most {Size(type.Memory.Quantile(0.95))}");
            }

            var need = options.Current.PredictionMinSamples - type.Memory.Seen;
            Add(text, need > 0 ? $"({need} more until these figures count)." : (FormattableString)$"(what is set aside follows quantile {options.Current.PredictionQuantilePercent} %).");
        }

        if (type.OutOfMemory > 0)
        {
            Add(text, $"{type.OutOfMemory} like it ran out of memory: no less than {Size(type.MemoryFloor)} is set aside since.");
        }
    }

    private static void Add(StringBuilder text, FormattableString sentence) =>
        text.Append(sentence.ToString(CultureInfo.InvariantCulture)).Append(' ');

    private static string Source(ReservationSource source) => source switch
    {
        ReservationSource.Declared => "as declared",
        ReservationSource.Learned => "as tasks like it used",
        ReservationSource.Raised => "more than declared, since one like it ran out of memory",
        _ => "nothing declared",
    };

    private static string Size(long bytes) =>
        bytes >= long.MaxValue / 2 ? "unbounded" : string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / Mebibyte:0.#} MiB");

    private static string Words(TimeSpan span) => span switch
    {
        { TotalSeconds: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.##} s"),
        { TotalMilliseconds: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0.#} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMicroseconds:0} us"),
    };
}
