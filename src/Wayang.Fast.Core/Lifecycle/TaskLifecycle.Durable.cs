using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Stores what becomes of durable tasks. Called by those who change them: must not block or throw.</summary>
public interface IDurability
{
    /// <summary>An attempt is about to be started. The dispatch owner; may be told of a start that a cancel then forestalls.</summary>
    void OnStarting(TaskRecord record, int attempt);

    /// <summary>An attempt was written down; <paramref name="onKept"/> is owed once that is stored. Completion thread.</summary>
    void OnCheckpoint(TaskRecord record, TaskCheckpoint checkpoint, Action onKept);

    /// <summary>An attempt goes on from a file, which nobody needs once that is stored. The dispatch owner.</summary>
    void OnContinuing(TaskRecord record, int attempt, TaskCheckpoint checkpoint);

    /// <summary>The running attempt saved a state. Completion thread.</summary>
    void OnSaved(TaskRecord record, SavedState state, long unixMs, long times);

    /// <summary>An attempt ended, and another one follows. Completion thread.</summary>
    void OnRetry(TaskRecord record, int nextAttempt);

    /// <summary>The task is to end; <see cref="TaskLifecycle.EndStored"/> is owed once that is stored. Its times and cause are in the record. Completion thread.</summary>
    void OnEnding(TaskRecord record, TaskState state, in TaskCause cause);
}

/// <content>
/// Durable tasks. They are admitted held, without a place in the scheduler, until their submission is stored; their end is published and told
/// when it is stored, and until then the task is what it was. Nothing else of a task's way changes.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>Set once by the composition; null: no task is durable.</summary>
    public IDurability? Durability { get; set; }

    /// <summary>Makes a rented record a durable task that waits for its submission to be stored. It counts as queued.</summary>
    /// <param name="record">Filled; its life has begun.</param>
    /// <param name="observer">As of <see cref="Admit(TaskRecord, ITaskObserver?, long)"/>.</param>
    /// <param name="token">The same.</param>
    /// <param name="known">Its id at an earlier start of the node; null: it is new.</param>
    public TaskId AdmitHeld(TaskRecord record, ITaskObserver? observer, long token, TaskId? known = null)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        life.IsDurable = true;
        life.AwaitsLedger = true;
        var id = Name(record, observer, token, _time.GetTimestamp());
        if (known is { } old)
        {
            _table.Restore(old, record);
            (id, record.Id, record.SubmittedUnixMs) = (old, old, old.UnixMilliseconds);
        }

        Volatile.Write(ref record.Word, record.Word | RecordWord.Held | RecordWord.Durable | (ulong)TaskState.Queued);
        return id;
    }

    /// <summary>Attempts that an earlier start of the node made. Before the task is admitted.</summary>
    /// <param name="record">Rented; its life has begun.</param>
    /// <param name="attempt">The next.</param>
    /// <param name="lost">The one that the node's end interrupted; null: none.</param>
    /// <param name="checkpoint">Where <paramref name="attempt"/> goes on; null: at its beginning.</param>
    public static void RestoreAttempts(TaskRecord record, int attempt, TaskAttempt? lost, TaskCheckpoint? checkpoint = null)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        life.Restore(attempt, lost);
        life.Checkpoint = checkpoint;
    }

    /// <summary>A task's submission is stored, and what it runs is there. Completion thread only.</summary>
    /// <returns>True: it has no place in the scheduler, and the caller gives it one.</returns>
    public static bool TryReleaseStored(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.Life is not { AwaitsLedger: true } life || record.State != TaskState.Queued)
        {
            return false;
        }

        life.AwaitsLedger = false;
        return !life.Paused && life.Ending is null && TryRelease(record);
    }

    /// <summary>A task's submission could not be stored: it ends, and its submitter is told otherwise. Completion thread only.</summary>
    /// <returns>False when it had ended.</returns>
    public bool EndRefused(TaskRecord record, in TaskCause cause)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.Life is not { IsDurable: true } life || RecordWord.HasEnded(Volatile.Read(ref record.Word)))
        {
            return false;
        }

        TryWithdraw(record);
        life.IsDurable = false;
        life.Ending = null;
        return End(record, TaskState.Rejected, cause);
    }

    /// <summary>A task's end is stored: now it has ended. Completion thread only.</summary>
    /// <returns>False when it had ended, or nobody asked.</returns>
    public bool EndStored(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        if (record.Life is not { Ending: { } ending } life || RecordWord.HasEnded(word))
        {
            return false;
        }

        var now = _time.GetTimestamp();
        word = Publish(record, word, ending.State);
        Finish(record, word, ending.State, record.Cause, now);
        EndLife(record, life, word);
        ForgetExcess(now);
        return true;
    }

    /// <summary>Of durable tasks only; one that stands in a file starts when it goes on from there (<see cref="Continue"/>).</summary>
    private void TellStart(TaskRecord record, ulong word)
    {
        if ((word & RecordWord.Durable) != 0 && record.Life is { Checkpoint: null } life)
        {
            Durability?.OnStarting(record, life.Attempt);
        }
    }

    /// <summary>Lets a durable task's end be stored first. Nothing starts or ends it meanwhile.</summary>
    private bool TryPostpone(TaskRecord record, TaskLife life, TaskState state, in TaskCause cause, long now, bool onlyQueued = false)
    {
        if (!life.IsDurable || Durability is not { } durability)
        {
            return false;
        }

        if (life.Ending is not null)
        {
            return true;
        }

        // One that waits is held, so that its place comes up in vain; one that was dropped from the scheduler has none.
        var word = Volatile.Read(ref record.Word);
        while (RecordWord.State(word) == TaskState.Queued && (word & RecordWord.Entry) != 0 && (word & RecordWord.Held) == 0)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, word | RecordWord.Held, word);
            word = seen == word ? word | RecordWord.Held : seen;
        }

        if (onlyQueued && RecordWord.State(word) != TaskState.Queued)
        {
            return false;
        }

        record.SetCause(cause);
        record.Ended = now;
        life.Ending = new AskedEnd(state, cause);
        durability.OnEnding(record, state, cause);
        return true;
    }
}
