using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Life;

/// <summary>The completion thread's part in the lives of tasks: pauses, moves, families, groups.</summary>
internal sealed partial class LifeExecutor(Shard shard, TaskTable table, TaskLifecycle lifecycle, TaskGroups groups, LiveOptions options)
{
    /// <summary>Set once by the composition.</summary>
    public Supervisor Supervisor { get; set; } = null!;

    /// <summary>Set once by the composition.</summary>
    public CompletionThread Completion { get; set; } = null!;

    public void Execute(LifeRequest request)
    {
        if (table.Find(request.Id) is not { } record || record.State >= TaskState.Succeeded)
        {
            request.Reply(new OperationError(ErrorCode.InvalidArgument, $"task {request.Id} has ended", "task"));
            return;
        }

        if (!request.OfHandover && request.Kind != LifeRequestKind.Adopt && record.Life?.Visit is { } visit)
        {
            request.Reply(new OperationError(ErrorCode.Conflict, $"it is a task of node '{visit.Home}', which alone decides about it: ask there", "task"));
            return;
        }

        switch (request.Kind)
        {
            case LifeRequestKind.Handover:
                request.Reply(request.Step!(record));
                break;
            case LifeRequestKind.Pause:
                Pause(request, record);
                break;
            case LifeRequestKind.Checkpoint:
                Checkpoint(request, record);
                break;
            case LifeRequestKind.Resume:
                Resume(request, record);
                break;
            case LifeRequestKind.Update:
                Update(request, record);
                break;
            default:
                Adopt(record);
                break;
        }
    }

    /// <summary>The pause before the next attempt is over.</summary>
    public void Requeue(TaskId id)
    {
        if (table.Find(id) is { } record && lifecycle.TryRequeue(record))
        {
            Enqueue(record);
        }
    }

    /// <summary>A durable task is stored.</summary>
    public void Release(TaskId id)
    {
        if (table.Find(id) is { } record && TaskLifecycle.TryReleaseStored(record))
        {
            Enqueue(record);
        }
    }

    /// <summary>A task with a life ended: its group and its parent lose it, and its children end with it.</summary>
    public void OnEnded(TaskRecord record, TaskLife life)
    {
        var state = record.State;
        if (life.Checkpoint is { } checkpoint)
        {
            CheckpointStore.DeleteSoon(checkpoint); // nobody continues it
        }

        if (life.Group is { } group)
        {
            groups.Leave(group, record.Id, state);
        }

        if (life.Terms?.Parent is { } parent && table.Find(parent)?.Life is { } above)
        {
            above.RemoveChild(record.Id);
            above.UncountChild();
        }

        foreach (var child in life.Children)
        {
            if (state == TaskState.Cancelled || table.Find(child) is not { Life.Terms.Detached: true })
            {
                Completion.Post(new CompletionCommand(CompletionCommandKind.Stop, Id: child, State: TaskState.Cancelled, Cause: OfParent(record)));
            }
        }
    }

    private static TaskCause OfParent(TaskRecord parent) => new(
        CauseType.Cancelled, 0, $"its parent {parent.Id} {(parent.State == TaskState.Cancelled ? "was cancelled" : "ended")}");

    private void Enqueue(TaskRecord record) => shard.Post(new ShardEvent(ShardEventKind.Requeue, Ticket: (uint)record.Slot));

    private void Pause(LifeRequest request, TaskRecord record)
    {
        if (TaskLifecycle.Pause(record) == QueuedChange.Done)
        {
            request.Reply(null);
        }
        else if (record.Kind == TaskKind.Exec)
        {
            record.NeedLife();
            Supervisor.PauseCommand(request);
        }
        else
        {
            request.Reply(new OperationError(
                ErrorCode.Unsupported,
                "it is a call and runs already: a worker that stands still cannot be told from one that hangs. A call is paused while it is queued; a command at any time",
                "task"));
        }
    }

    private void Checkpoint(LifeRequest request, TaskRecord record)
    {
        if (WhyNoCheckpoint(record) is { } why)
        {
            request.Reply(why);
            return;
        }

        if (record.Kind == TaskKind.Exec)
        {
            AskToYield(request, record, worker: null);
            return;
        }

        // SYNC POINT: partner is Shard.Call, which writes the place last.
        var place = record.Worker;
        Volatile.ReadBarrier();
        var index = record.InFlightIndex;
        if (place >= 0 && Supervisor.Workers.At(place) is { } worker && (uint)index < (uint)worker.Entries.Length
            && Volatile.Read(ref worker.Entries[index].Ticket) == record.Ticket)
        {
            if (record.Terms?.Migration == TaskMigration.Cooperative)
            {
                AskToYield(request, record, worker);
                return;
            }

            var capture = new Capture(request, worker, record.Ticket, record.Slot, record.NeedLife().IsDurable) { IsRestart = record.Terms?.Migration == TaskMigration.Restart };
            shard.Post(new ShardEvent(ShardEventKind.CaptureCall, Capture: capture));
            return;
        }

        request.Reply(new OperationError(ErrorCode.Conflict, "it is just being started", "task", 100));
    }

    private OperationError? WhyNoCheckpoint(TaskRecord record)
    {
        var way = record.Terms?.Migration ?? TaskMigration.Transparent;
        if (way == TaskMigration.Never)
        {
            return new OperationError(ErrorCode.Unsupported, "it stays where it runs, as it was asked for (migration: never)", "task");
        }

        if ((record.Kind != TaskKind.Call && way != TaskMigration.Cooperative) || record.Target is not PoolTarget { Pool.Image: var image })
        {
            return new OperationError(
                ErrorCode.Unsupported, "it is a command: only calls can be written down; a command can be paused, or, submitted with migration: cooperative, asked to save its state and to end", "task");
        }

        if (way == TaskMigration.Transparent && Supervisor.Checkpoints is null)
        {
            return new OperationError(ErrorCode.Unsupported, "this node has no directory for checkpoints: it was started without a state directory", "task");
        }

        return way == TaskMigration.Transparent && !image.IsMigratable
            ? new OperationError(
                ErrorCode.Unsupported,
                $"its image stands under profile {image.Profile} and was not opened for moves: that takes profile compute and migration.compute: transparent, set before the image is put; with migration: restart it would begin anew", "task")
            : record.Life?.Stay is { } stay ? new OperationError(ErrorCode.Conflict, $"its call goes on at node '{stay.Node}': call it home first (task.migrate)", "task")
            : record.CancelRequested ? new OperationError(ErrorCode.Conflict, "it was asked to end", "task")
            : record.State == TaskState.Queued
                ? new OperationError(ErrorCode.Conflict, record.Life?.Checkpoint is null ? "it waits and has done nothing yet: pause it instead" : "it is written down already", "task")
            : null;
    }

    private void Resume(LifeRequest request, TaskRecord record)
    {
        var change = TaskLifecycle.Resume(record);
        if (change == QueuedChange.NotQueued && record.Kind == TaskKind.Exec)
        {
            Supervisor.PauseCommand(request);
            return;
        }

        if (change == QueuedChange.Enqueue)
        {
            Enqueue(record);
        }

        request.Reply(null); // a running call was never paused
    }

    private void Update(LifeRequest request, TaskRecord record)
    {
        var update = request.Update!;
        var change = lifecycle.Move(record, update.Level ?? record.Level);
        switch (change)
        {
            case QueuedChange.NotQueued:
                request.Reply(new OperationError(ErrorCode.Conflict, $"task {record.Id} was started already: only a queued task can be changed", "task"));
                return;
            case QueuedChange.TooManyMoves:
                request.Reply(new OperationError(
                    ErrorCode.ResourceExhausted, "it was moved so often that its old places fill the queue: wait until some have come up", "task", 1000));
                return;
            case QueuedChange.Enqueue:
                Enqueue(record);
                break;
            default:
                break;
        }

        if (update.TimeoutMs is { } timeout)
        {
            record.TimeoutMs = timeout;
        }

        request.Reply(null);
    }

    private void Adopt(TaskRecord child)
    {
        var terms = child.Life!.Terms!;
        if (table.Find(terms.Parent!.Value) is { State: < TaskState.Succeeded } parent)
        {
            parent.NeedLife().AddChild(child.Id);
        }
        else if (!terms.Detached || table.Find(terms.Parent.Value) is { State: TaskState.Cancelled })
        {
            Completion.Post(new CompletionCommand(
                CompletionCommandKind.Stop, Id: child.Id, State: TaskState.Cancelled,
                Cause: new TaskCause(CauseType.Cancelled, 0, $"its parent {terms.Parent} ended before it could be its child")));
        }
    }
}
