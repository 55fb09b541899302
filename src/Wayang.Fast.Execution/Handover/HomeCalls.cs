using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Handover;

/// <summary>This node's own calls, as their hand-overs see them. Each change is a step of the completion thread, which looks first whether it is still this stay's to make.</summary>
internal sealed class HomeCalls(TaskTable table, TaskLifecycle lifecycle, LifeService life, TenantDirectory tenants, LiveOptions options, CheckpointStore? store, Standbys standbys, WorkerTable workers) : IHandoverHome
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public long MaxOutputBytes => options.Current.MaxPayloadBytes;

    public long MaxStateBytes => options.Current.MaxStateBytes;

    public OperationError? Describe(TaskId id, int tenant, out DepartingCall? call)
    {
        call = null;
        if (!lifecycle.TryPin(id, out var record))
        {
            return TaskService.Unknown(id);
        }

        try
        {
            if (record.Tenant != tenant)
            {
                return TaskService.Unknown(id);
            }

            if (WhyNot(record) is { } why)
            {
                return why;
            }

            var target = (PoolTarget)record.Target!;
            var spec = new DurableSpec(TaskKind.Call)
            {
                Image = target.Pool.Image.Hash,
                Function = target.FunctionName,
                Profile = target.Pool.Key.Profile,
                Reuse = target.Pool.Key.Reuse,
                Level = record.Level,
                TimeoutMs = record.TimeoutMs,
                Terms = new TaskTerms { Limits = record.Terms?.Limits, Migration = record.Terms?.Migration ?? TaskMigration.Transparent },
            };
            var anew = TaskLifecycle.BeginsAnew(record);
            call = new DepartingCall(tenants.Of(tenant).Policy.Name, SpecCodec.Encode(spec), record.Life?.Stay, record.Life?.Moves, record.State == TaskState.Queued)
            {
                Shape = anew ? default : ShapeOf(record),
                BeginsAnew = anew,
                LosesWork = spec.Terms.Migration == TaskMigration.Restart,
            };
            return null;
        }
        finally
        {
            lifecycle.Unpin(record);
        }
    }

    public Task<OperationError?> StopAsync(TaskId id) => life.AskAsync(new LifeRequest(LifeRequestKind.Checkpoint, id) { OfHandover = true });

    public IDepartingFile WriteDown(TaskId id, Stream to)
    {
        var sender = new CallSender(to, HandoverPoint.HomeSending);
        sender.Whole = table.Find(id) is { } record && TaskLifecycle.BeginsAnew(record) ? SendBeginningAsync(id, sender) : WriteDownAsync(id, sender);
        return sender;
    }

    private async Task<(CallFile? File, OperationError? Refusal)> SendBeginningAsync(TaskId id, CallSender sender)
    {
        CallBeginning? beginning = null;
        if (await StepAsync(id, record =>
        {
            if (record is not { State: TaskState.Queued, Life.Paused: true })
            {
                return new OperationError(ErrorCode.Conflict, "it was resumed here meanwhile", "task");
            }

            beginning = CallBeginning.Of(record, withInput: true);
            return null;
        }).ConfigureAwait(false) is { } refusal)
        {
            return (null, refusal);
        }

        await BesideAsync(() => beginning!.Send(sender)).ConfigureAwait(false);
        return (new CallFile(null, beginning!.Bytes), null);
    }

    private async Task<(CallFile? File, OperationError? Refusal)> WriteDownAsync(TaskId id, CallSender sender)
    {
        if (CheckpointOf(id) is null && await life.AskAsync(new LifeRequest(LifeRequestKind.Checkpoint, id) { OfHandover = true, Sender = sender }).ConfigureAwait(false) is { } refusal)
        {
            return (null, refusal);
        }

        try
        {
            if (CheckpointOf(id) is not { } checkpoint)
            {
                return (null, Gone(id));
            }

            var whole = CheckpointStore.Open(checkpoint);
            if (sender.Path is null)
            {
                await BesideAsync(() => store!.Send(whole.Path!, sender)).ConfigureAwait(false); // it stood in its file before
            }

            return string.Equals(sender.Path, whole.Path, StringComparison.Ordinal)
                ? (whole, null)
                : (null, new OperationError(ErrorCode.Conflict, "somebody else has just had it written down", "task", 100));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return (null, new OperationError(ErrorCode.Unavailable, $"its file cannot be read: {failure.Message}", "task"));
        }
    }

    public Task<OperationError?> LeaveAsync(TaskId id, TaskStay stay) => StepAsync(id, record =>
        lifecycle.TryLeave(record, stay) ? null : new OperationError(ErrorCode.Conflict, "it was resumed here meanwhile, or was asked to end", "task"));

    public Task NoteAsync(TaskId id, TaskMoves moves) => StepAsync(id, record =>
    {
        record.NeedLife().Moves = moves;
        return null;
    });

    public Task<OperationError?> AppendAsync(TaskId id, string handover, OutputStream stream, ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> progress) => StepAsync(id, record =>
    {
        if (!TaskLifecycle.IsAway(record, handover))
        {
            return Gone(id);
        }

        if (!progress.IsEmpty)
        {
            record.SetProgress(progress.Span);
        }

        if (bytes.IsEmpty)
        {
            return null;
        }

        var most = options.Current.MaxStreamBytes;
        _ = stream switch
        {
            OutputStream.Stdout => record.Stdout.AppendBounded(bytes.Span, most),
            OutputStream.Stderr => record.Stderr.AppendBounded(bytes.Span, most),
            _ => record.Log.AppendWhole(bytes.Span, most),
        };
        lifecycle.Appended(record, stream);
        return null;
    });

    public Task<OperationError?> SaveAsync(TaskId id, string handover, ReadOnlyMemory<byte> state) => StepAsync(id, record =>
    {
        if (!TaskLifecycle.IsAway(record, handover))
        {
            return Gone(id);
        }

        if (Keep(state.Span) is { } kept)
        {
            lifecycle.Save(record, kept);
        }

        return null;
    });

    /// <returns>Null: there is no room for it.</returns>
    private SavedState? Keep(ReadOnlySpan<byte> state)
    {
        var kept = lifecycle.States.TryBegin(state.Length, options.Current.MaxStatesBytes);
        kept?.TryAppend(state);
        return kept;
    }

    public async Task<OperationError?> ComeBackAsync(TaskId id, string handover, IArrivingCall? call, string? failure, bool hasBegun)
    {
        var kept = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var file = (call as ArrivingFile)?.Keep();
        var superfluous = file;
        var refusal = await StepAsync(id, record =>
        {
            if (!TaskLifecycle.IsAway(record, handover))
            {
                return Gone(id);
            }

            if (TaskLifecycle.BeginsAnew(record))
            {
                kept.SetResult();
                return ComeBackAnew(record, (call as ArrivingBeginning)?.Keep(), failure, hasBegun);
            }

            superfluous = lifecycle.ComeBack(record, handover, file, failure, kept.SetResult);
            EndIfAsked(record);
            return null;
        }).ConfigureAwait(false);
        if (refusal is null)
        {
            await kept.Task.ConfigureAwait(false);
        }

        if (superfluous is not null)
        {
            CheckpointStore.DeleteSoon(superfluous);
        }

        return refusal;
    }

    /// <summary>What saves its state has effects of its own, perhaps, and its attempt there is lost as one whose worker is. What may begin anew at any time does so.</summary>
    private OperationError? ComeBackAnew(TaskRecord record, CallBeginning? beginning, string? failure, bool hasBegun)
    {
        if (hasBegun && beginning is null && record.Terms?.Migration == TaskMigration.Cooperative && !record.CancelRequested)
        {
            lifecycle.EndAway(record, TaskState.Failed, new TaskCause(CauseType.WorkerLost, 0, $"it ran at node '{record.Life!.Stay!.Node}': {failure}"), out _);
            return new OperationError(ErrorCode.Unavailable, $"its attempt there was lost: {failure}", "task");
        }

        var saved = beginning?.Saved is { } bytes ? Keep(bytes) : null;
        var ended = record.Terms?.Migration == TaskMigration.Cooperative ? TaskLifecycle.Yielded : new TaskCause(CauseType.Cancelled, 0, failure ?? "it was ended at that node to begin anew here (migration: restart)");
        lifecycle.ComeBackAnew(record, hasBegun ? ended : null, saved);
        EndIfAsked(record);
        return null;
    }

    /// <summary>It was to end there; whether the other node heard of it or not, it does so here.</summary>
    private void EndIfAsked(TaskRecord record)
    {
        if (record.CancelRequested)
        {
            life.Stop(record.Id, record.Life!.Asked ?? new AskedEnd(TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        }
    }

    public Task<OperationError?> EndAsync(TaskId id, string handover, VisitEnd end, ReadOnlyMemory<byte> output) => StepAsync(id, record =>
    {
        if (!TaskLifecycle.IsAway(record, handover))
        {
            return Gone(id);
        }

        (record.PeakMemoryBytes, record.CpuMicroseconds) = (end.PeakMemoryBytes, end.CpuMicroseconds);
        record.Output.Set(output.Span);
        lifecycle.EndAway(record, end.State, end.Cause, out var file);
        if (file is not null)
        {
            CheckpointStore.DeleteSoon(file);
        }

        return null;
    });

    public async Task ResumeAsync(TaskId id)
    {
        var continued = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = await StepAsync(id, record =>
        {
            record.NeedLife().Continued = () => continued.TrySetResult();
            return null;
        }).ConfigureAwait(false);
        if (await life.AskAsync(new LifeRequest(LifeRequestKind.Resume, id) { OfHandover = true }).ConfigureAwait(false) is null)
        {
            await Task.WhenAny(continued.Task, Task.Delay(s_patience)).ConfigureAwait(false); // it may wait for a slot
        }
    }

    public IAwaitingWorker? Await(TaskId id, ReadOnlyMemory<byte> shape) =>
        shape.IsEmpty || store is null || table.Find(id) is not { Target: PoolTarget { Pool: var pool } } ? null : standbys.TryBegin(pool, id, WorkerShape.Decode(shape.Span));

    public IArrivingCall Receive(TaskId id, Stream from, IAwaitingWorker? awaiting)
    {
        if (table.Find(id) is { } leaving && TaskLifecycle.BeginsAnew(leaving))
        {
            return new ArrivingBeginning(from, options.Current.MaxStateBytes);
        }

        if (store is null || table.Find(id) is not { Target: PoolTarget { Pool: var pool } } record)
        {
            throw new IOException($"task {id} is not there any more, or this node has no directory for checkpoints");
        }

        var durable = record.Life is { IsDurable: true };
        return new ArrivingFile(from, arriving => store.Adopt(arriving, durable, (id, pool.Key.Image, pool.Key.Profile), (Standby?)awaiting, (begun, shape) => standbys.Take(begun, pool, id, shape)));
    }

    /// <summary>A worker that has just ended, or whose place is another's by now, only makes for a worker that is not taken.</summary>
    private byte[] ShapeOf(TaskRecord record) => record.State == TaskState.Running && workers.At(record.Worker) is { } worker && worker.Pool == (record.Target as PoolTarget)?.Pool
        ? new WorkerShape(worker.Channel.Geometry, worker.Concurrency).Encode() : [];

    private TaskCheckpoint? CheckpointOf(TaskId id) => table.Find(id) is { State: TaskState.Queued, Life.Checkpoint: { } checkpoint } ? checkpoint : null;

    private OperationError? WhyNot(TaskRecord record) =>
        record.State >= TaskState.Succeeded ? new OperationError(ErrorCode.InvalidArgument, $"task {record.Id} has ended", "task")
        : record.Life?.Visit is { } visit ? new OperationError(ErrorCode.Conflict, $"it is a task of node '{visit.Home}', which alone decides about it: ask there", "task")
        : record.Kind != TaskKind.Call || record.Target is not PoolTarget { Pool.Image: var image }
            ? new OperationError(ErrorCode.Unsupported, "it is a command: only calls can be moved to another node", "task")
        : record.Terms?.Migration == TaskMigration.Never ? new OperationError(ErrorCode.Unsupported, "it stays where it runs, as it was asked for (migration: never)", "task")
        : TaskLifecycle.BeginsAnew(record) ? WhyNotAnew(record)
        : store is null ? new OperationError(ErrorCode.Unsupported, "this node has no directory for checkpoints: it was started without a state directory", "task")
        : !image.IsMigratable
            ? new OperationError(ErrorCode.Unsupported, $"its image stands under profile {image.Profile} and was not opened for moves: that takes profile compute and migration.compute: transparent, set before the image is put; with migration: cooperative or restart its next attempt would begin there", "task")
        : record.State == TaskState.Queued && record.Life?.Checkpoint is null
            ? new OperationError(ErrorCode.Conflict, "it waits and has done nothing yet, so that there is nothing to move", "task", 100)
        : null;

    private static OperationError? WhyNotAnew(TaskRecord record) =>
        record.Terms?.Grants is not null ? new OperationError(ErrorCode.Unsupported, "it has grants of this node's networks (grants), which another node may not give", "task")
        : record.State == TaskState.Queued && record.Life is not { Paused: true, Attempt: > 1 }
            ? new OperationError(ErrorCode.Conflict, "it waits and has done nothing yet, so that there is nothing to move", "task", 100)
        : null;

    /// <summary>What waits for the disk, or for another node, has a thread of its own.</summary>
    private static Task BesideAsync(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private Task<OperationError?> StepAsync(TaskId id, Func<TaskRecord, OperationError?> step) =>
        life.AskAsync(new LifeRequest(LifeRequestKind.Handover, id) { Step = step, OfHandover = true });

    private static OperationError Gone(TaskId id) => new(ErrorCode.Conflict, $"task {id} is not at that node any more, or has ended", "task");
}
