using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What remembers durable tasks over restarts: embedded on one node, the cluster's on many. Thread-safe.
/// <para>
/// Order. Writes are stored in the order in which they were posted, each wholly or not at all, many in one commit. A receipt is told once,
/// on the ledger's thread, when the write is safe against loss of power, or when it never will be. Only what somebody asks for (a submission) is refused;
/// what follows it (starts, ends) waits until it can be stored, so that what is told of a task is what a restart finds.
/// </para>
/// </summary>
public interface ITaskLedger : IEventStore, IDisposable
{
    /// <summary>Why no submission can be stored now; null: it can. Any thread, at once.</summary>
    OperationError? Refusal { get; }

    /// <summary>Takes a write; never blocks on the disk.</summary>
    void Post(LedgerWrite write);

    /// <summary>What is remembered of a task, or null. Reads the disk: not on a thread that must not wait.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told whether there is one.</exception>
    LedgerTask? Find(TaskId id);

    /// <summary>Tasks that have not ended, in the order of their submission. Reads the disk.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<LedgerTask> ReadLive();

    /// <summary>The idempotency keys of tasks that were submitted since a moment, the oldest first. Reads the disk.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since);

    /// <summary>An image's source, as it was given with a submission; null: it is not there. Reads the disk.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    byte[]? ReadImage(string hash);

    /// <summary>Figures of now.</summary>
    LedgerStatus Status { get; }
}

/// <summary>The ledger cannot be read: the disk fails, a page is damaged, or its form is of a newer version.</summary>
public sealed class LedgerUnreadableException : Exception
{
    public LedgerUnreadableException()
    {
    }

    public LedgerUnreadableException(string message)
        : base(message)
    {
    }

    public LedgerUnreadableException(string message, Exception inner)
        : base(message, inner)
    {
    }
}

/// <summary>Something to be remembered of one task.</summary>
public abstract class LedgerWrite(TaskId id)
{
    public TaskId Id { get; } = id;

    /// <summary>What is told of it, stored in the same commit, and only if the write changed something; null: nothing.</summary>
    public NodeEvent? Event { get; init; }

    /// <summary>Bytes that it brings, for the bound of one commit.</summary>
    public virtual long Bytes => 0;

    /// <summary>Somebody asks for it and can be told that it is not stored; else it waits until it can be.</summary>
    public virtual bool MayBeRefused => false;

    /// <summary>What is told of it when it changed so many rows; null: nothing.</summary>
    public virtual NodeEvent? Told(int changed) => changed > 0 ? Event : null;

    /// <summary>It is stored. On the ledger's thread: must not block or throw.</summary>
    public virtual void OnStored()
    {
    }

    /// <summary>It is not stored, and never will be. As <see cref="OnStored"/>.</summary>
    public virtual void OnRefused(OperationError refusal)
    {
    }
}

/// <summary>A task that was admitted.</summary>
public class LedgerSubmission(TaskId id) : LedgerWrite(id)
{
    public required int Tenant { get; init; }

    public required long SubmittedUnixMs { get; init; }

    /// <summary>All that it takes to run it again; known to who posts it.</summary>
    public required byte[] Spec { get; init; }

    /// <summary>Null: each submission is a task.</summary>
    public IdempotencyTerms? Idempotency { get; init; }

    /// <summary>The image that it runs in; null: none has to be kept for it.</summary>
    public LedgerImage? Image { get; init; }

    public override long Bytes => Spec.Length;

    public override bool MayBeRefused => true;
}

/// <summary>An image that durable tasks need. Stored with the first of them, dropped with the last.</summary>
/// <param name="Hash">Of its source.</param>
/// <param name="ReadSource">Reads what it is made from; called on the ledger's thread if it is not stored yet.</param>
public sealed record LedgerImage(string Hash, Func<byte[]> ReadSource);

/// <summary>An attempt begins.</summary>
public class LedgerStart(TaskId id, int attempt) : LedgerWrite(id)
{
    public int Attempt { get; } = attempt;
}

/// <summary>An attempt was written down: it waits, and goes on from there. A start, another attempt or the end takes that back.</summary>
public class LedgerCheckpoint(TaskId id, string file) : LedgerWrite(id)
{
    /// <summary>Its name in the node's directory of checkpoints.</summary>
    public string File { get; } = file;
}

/// <summary>An attempt ended, and another one follows.</summary>
public class LedgerRetry(TaskId id, int nextAttempt) : LedgerWrite(id)
{
    public int NextAttempt { get; } = nextAttempt;
}

/// <summary>What a task saved for its next attempt: it takes the place of what it saved before, and goes with its end.</summary>
public abstract class LedgerState(TaskId id) : LedgerWrite(id)
{
    /// <summary>On the ledger's thread; again after a commit that failed.</summary>
    public abstract LedgerSaved Read();
}

/// <param name="State">What was saved.</param>
/// <param name="AtUnixMs">When.</param>
/// <param name="Times">How often the task has saved.</param>
#pragma warning disable CA1819 // Written once by its maker, and only read from then on.
public sealed record LedgerSaved(byte[] State, long AtUnixMs, long Times);
#pragma warning restore CA1819

/// <summary>The task's one end.</summary>
public class LedgerEnd(TaskId id) : LedgerWrite(id)
{
    public required TaskState State { get; init; }

    public required long EndedUnixMs { get; init; }

    /// <summary>Cause, times and the like; known to who posts it.</summary>
    public required byte[] Facts { get; init; }

    /// <summary>By <see cref="OutputStream"/>; null: nothing.</summary>
    public required IReadOnlyList<byte[]?> Streams { get; init; }

    public override long Bytes => Facts.Length + Streams.Sum(static s => (long)(s?.Length ?? 0));
}

/// <summary>What is remembered of a task.</summary>
/// <param name="State">Queued, running, or an end.</param>
/// <param name="Attempt">The one that runs, ran last or comes next.</param>
/// <param name="Facts">Of its end; empty before.</param>
/// <param name="Streams">Of its end, by <see cref="OutputStream"/>; empty before.</param>
/// <param name="Checkpoint">The file in which its attempt stands; null: it begins at its beginning, runs, or has ended.</param>
public sealed record LedgerTask(
    TaskId Id, int Tenant, TaskState State, int Attempt, long SubmittedUnixMs, byte[] Spec, byte[] Facts, IReadOnlyList<byte[]?> Streams, string? Checkpoint = null)
{
    /// <summary>What it saved last; null: nothing, or it has ended.</summary>
    public LedgerSaved? Saved { get; init; }
}

/// <summary>An idempotency key that stands for a task.</summary>
public sealed record LedgerKey(int Tenant, IdempotencyTerms Terms, TaskId Id, long SubmittedUnixMs);

/// <param name="Problem">What keeps it from storing; null: nothing.</param>
/// <param name="Waiting">Writes that wait for their commit.</param>
/// <param name="Commits">Since the start.</param>
/// <param name="Stored">Writes that were stored since the start.</param>
/// <param name="Failures">Commits that failed since the start.</param>
/// <param name="FileBytes">Size of its files.</param>
public sealed record LedgerStatus(string? Problem, long Waiting, long Commits, long Stored, long Failures, long FileBytes);
