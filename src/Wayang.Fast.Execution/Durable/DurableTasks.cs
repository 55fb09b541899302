using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Durable;

/// <summary>
/// Between tasks and the ledger: stores submissions, attempts and ends, and answers for tasks that memory has forgotten. What the ledger tells
/// goes to the completion thread, which alone changes tasks.
/// </summary>
internal sealed class DurableTasks(
    ITaskLedger ledger, LiveOptions options, TaskLifecycle lifecycle, CompletionThread completion, ImageCatalog images, SubmissionKeys keys) : IDurability
{
    private const int Streams = 4;

    private readonly ConcurrentDictionary<TaskId, StoredSubmission> _storing = new();

    public static OperationError NoLedger { get; } = new(
        ErrorCode.Unsupported, "this node keeps no ledger, so no task outlives it: set state.directory, and leave ledger.enabled true", "durable");

    public ITaskLedger Ledger => ledger;

    /// <summary>Whether a task of these terms can be stored at all.</summary>
    public static bool CanStore(TaskTerms terms) => terms.Secrets.Count == 0 && terms.Parent is null;

    public OperationError? Refuse(TaskTerms terms) =>
        terms.Secrets.Count > 0
            ? new OperationError(ErrorCode.InvalidArgument, "a durable task has no secrets: they would stand on the disk; let the task fetch them itself", "secrets")
        : terms.Parent is not null
            ? new OperationError(ErrorCode.InvalidArgument, "a durable task has no parent: that may not outlive the node as it does; use a group", "parent")
        : ledger.Refusal;

    /// <summary>The submission of a task that is still being stored; null: it is stored, or was never to be.</summary>
    public StoredSubmission? Storing(TaskId id) => _storing.GetValueOrDefault(id);

    /// <summary>Stores an admitted task's submission; it is let go when that is done.</summary>
    public StoredSubmission Store(TaskId id, in TaskSubmission submission, PoolTarget target, TaskTerms terms, uint timeoutMs, ITaskObserver? observer, long token)
    {
        var image = target.Pool.IsCommand ? null : target.Pool.Image;
        var spec = new DurableSpec(target.Kind)
        {
            Image = image?.Hash ?? string.Empty,
            Function = target.FunctionName,
            Profile = target.Pool.Key.Profile,
            Reuse = target.Pool.Key.Reuse,
            Level = submission.Level,
            TimeoutMs = timeoutMs,
            Command = submission.Command,
            Data = submission.Data.ToArray(),
            Terms = terms,
        };
        var write = new StoredSubmission(id, OnDone)
        {
            Tenant = target.Tenant,
            SubmittedUnixMs = id.UnixMilliseconds,
            Spec = SpecCodec.Encode(spec),
            Idempotency = terms.Idempotency,
            Event = TaskEvents.Submitted(id, target.Tenant, spec),
            Image = image is null ? null : new LedgerImage(image.Hash, () => images.ReadSource(image.Hash)),
            Observer = observer is null ? null : (observer, token),
        };
        _storing[id] = write;
        ledger.Post(write);
        return write;
    }

    public void OnStarting(TaskRecord record, int attempt) => ledger.Post(new LedgerStart(record.Id, attempt)
    {
        Event = TaskEvents.Started(record, attempt, Now()),
    });

    public void OnCheckpoint(TaskRecord record, TaskCheckpoint checkpoint, Action onKept) => ledger.Post(new StoredCheckpoint(record.Id, checkpoint, onKept));

    public void OnSaved(TaskRecord record, SavedState state, long unixMs, long times)
    {
        var life = record.Life!;
        var before = life.StateWrite as StoredState;
        if (before is not null && before.TryReplace(state, unixMs, times))
        {
            return;
        }

        var (id, tenant, group) = (record.Id, record.Tenant, record.Terms?.Group);
        var write = new StoredState(id, before?.ToldMs ?? 0, (bytes, at) => TaskEvents.Saved(id, tenant, group, bytes, at));
        write.TryReplace(state, unixMs, times);
        life.StateWrite = write;
        ledger.Post(write);
    }

    public void OnContinuing(TaskRecord record, int attempt, TaskCheckpoint checkpoint) => ledger.Post(new StoredContinuation(record.Id, attempt, checkpoint)
    {
        Event = TaskEvents.Started(record, attempt, Now()),
    });

    public void OnRetry(TaskRecord record, int nextAttempt) => PostRetry(record.Id, record.Tenant, record.Terms?.Group, nextAttempt);

    public void PostRetry(TaskId id, int tenant, string? group, int nextAttempt) => ledger.Post(new LedgerRetry(id, nextAttempt)
    {
        Event = TaskEvents.Retrying(id, tenant, group, nextAttempt, Now()),
    });

    public void OnEnding(TaskRecord record, TaskState state, in TaskCause cause)
    {
        ITaskView view = record;
        TaskService.Names(record.Target, record.Function, out var image, out var function);
        var most = options.Current.LedgerStreamBytes;
        var facts = new EndFacts(record.Kind)
        {
            Level = record.Level,
            Image = image,
            Function = function,
            Cause = cause,
            QueueMicroseconds = record.QueueMicroseconds,
            StartMicroseconds = record.StartMicroseconds,
            RunMicroseconds = record.RunMicroseconds,
            PeakMemoryBytes = record.PeakMemoryBytes,
            CpuMicroseconds = record.CpuMicroseconds,
            StdoutDropped = record.StdoutDropped + Math.Max(0, view.Stdout.Length - most),
            StderrDropped = record.StderrDropped + Math.Max(0, view.Stderr.Length - most),
            LogDropped = record.LogDropped + Math.Max(0, view.Log.Length - most),
            FromCache = record.FromCache,
            Life = record.Life!.Facts(),
            Grants = record.Terms?.Grants?.Texts ?? [],
        };
        PostEnd(record.Id, record.Tenant, state, facts, [Copy(view.Output, int.MaxValue), Copy(view.Stdout, most), Copy(view.Stderr, most), Copy(view.Log, most)]);
    }

    /// <summary>Stores an end; told to the completion thread when it is.</summary>
    public void PostEnd(TaskId id, int tenant, TaskState state, EndFacts facts, byte[]?[] streams, Action? onStored = null)
    {
        var now = Now();
        ledger.Post(new StoredEnd(id, completion, onStored)
        {
            State = state,
            EndedUnixMs = now,
            Facts = facts.Encode(),
            Streams = streams,
            Event = TaskEvents.Ended(id, tenant, state, facts, now),
        });
    }

    public static byte[]?[] NoStreams() => new byte[]?[Streams];

    /// <summary>What the ledger knows of an ended task. Reads the disk.</summary>
    /// <returns>Null and the reason: there is none of that tenant, it has not ended, or it cannot be told.</returns>
    public RememberedTask? Find(TaskId id, int tenant, out OperationError refusal)
    {
        refusal = TaskService.Unknown(id);
        try
        {
            if (ledger.Find(id) is not { } task || task.Tenant != tenant)
            {
                return null;
            }

            if (task.State >= TaskState.Succeeded)
            {
                return new RememberedTask(task, EndFacts.Decode(task.Facts));
            }

            refusal = new OperationError(
                ErrorCode.Unavailable, $"task {id} is in the ledger and waits for {ledger.Status.Problem ?? "the node to take it up again"}", "task", 1000);
        }
        catch (Exception failure) when (failure is LedgerUnreadableException or InvalidDataException)
        {
            refusal = new OperationError(ErrorCode.Unavailable, $"task {id} is not in memory, and the ledger cannot be read: {failure.Message}", "task");
        }

        return null;
    }

    /// <summary>Tells the end of a task that memory has forgotten, from a thread that may wait for the disk.</summary>
    public void Wait(TaskId id, int tenant, ITaskObserver observer, long token) => ThreadPool.UnsafeQueueUserWorkItem(
        _ =>
        {
            if (Find(id, tenant, out var refusal) is { } task)
            {
                observer.OnTaskEnded(task, token);
                observer.OnBatchEnd();
            }
            else
            {
                observer.OnRefused(id, refusal, token);
            }
        },
        null);

    public OperationError? ReadOutput(TaskId id, int tenant, OutputStream stream, long offset, Span<byte> buffer, out OutputChunk chunk)
    {
        chunk = default;
        if (Find(id, tenant, out var refusal) is not { } task)
        {
            return refusal;
        }

        var kept = task.Stream(stream);
        var piece = offset < kept.Length ? kept[(int)offset..] : default;
        piece = piece[..Math.Min(piece.Length, buffer.Length)];
        piece.CopyTo(buffer);
        chunk = new OutputChunk(piece.Length, kept.Length, task.Dropped(stream), Ended: true);
        return null;
    }

    private long Now() => lifecycle.UnixMilliseconds(TimeProvider.System.GetTimestamp());

    private static byte[]? Copy(StreamBytes stream, int most) => stream.IsEmpty ? null : stream.ToArray(most);

    private void OnDone(StoredSubmission submission, OperationError? refusal)
    {
        if (refusal is null)
        {
            completion.Post(new CompletionCommand(CompletionCommandKind.Stored, Id: submission.Id));
        }
        else
        {
            if (submission.Idempotency is { } key)
            {
                keys.Remove(submission.Tenant, key);
            }

            completion.Post(new CompletionCommand(CompletionCommandKind.StoreRefused, Id: submission.Id, Cause: new TaskCause(CauseType.None, 0, refusal.Message)));
        }

        _storing.TryRemove(submission.Id, out _);
    }

    private sealed class StoredEnd(TaskId id, CompletionThread completion, Action? onStored) : LedgerEnd(id)
    {
        public override void OnStored()
        {
            completion.Post(new CompletionCommand(CompletionCommandKind.EndStored, Id: Id));
            onStored?.Invoke();
        }
    }
}
