using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// Calls that go on at another node, and those that come from one. At home such a task runs, without a worker; its file, or its input and what it saved, stay until its end is known, so whatever becomes of the
/// other node it can go on from there. Completion thread only, but for <see cref="AdmitVisit"/>.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>
    /// A task that stands in its file, or has given its place back to begin anew, runs at another node from now on: nothing here continues it. This is the fence of a hand-over. To the ledger one that begins anew
    /// runs, as it would here: what it does at the other node is done.
    /// </summary>
    /// <returns>False: it does not stand still, or is about to end; nothing was done.</returns>
    public bool TryLeave(TaskRecord record, TaskStay stay)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        if (record.Life is not { Paused: true, Ending: null, AwaitsLedger: false, AwaitsRetry: false } life || record.CancelRequested
            || (life.Checkpoint is null && !BeginsAnew(record)) || RecordWord.State(word) != TaskState.Queued || (word & (RecordWord.Held | RecordWord.Places)) != RecordWord.Held)
        {
            return false;
        }

        (life.Stay, life.Paused) = (stay, false);
        (record.Started, record.Worker, record.InFlightIndex) = (_time.GetTimestamp(), -1, -1);
        record.Running = record.Started;
        ExchangeState(record, word, TaskState.Running, held: false);
        Admission?.Release(1, record.AdmittedBytes); // as dispatch would
        if (life is { Checkpoint: null, IsDurable: true })
        {
            Durability?.OnStarting(record, life.Attempt);
        }

        return true;
    }

    /// <summary>It gives its place back to begin its next attempt from its input, and from what it saved: it moves as these, and not in a file.</summary>
    public static bool BeginsAnew(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return record.Terms?.Migration is TaskMigration.Cooperative or TaskMigration.Restart;
    }

    /// <summary>A task that <see cref="BeginsAnew"/> waits here again, paused.</summary>
    /// <param name="record">Of a task that <see cref="IsAway"/>.</param>
    /// <param name="ended">Why its attempt there ended, which its terms do not count; null: none began there.</param>
    /// <param name="saved">What it saved there; null: nothing came of it.</param>
    public void ComeBackAnew(TaskRecord record, TaskCause? ended, SavedState? saved)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        life.Stay = null;
        if (ended is { } cause)
        {
            TryBeginAnew(record, record.Id, cause);
        }
        else if (TryHold(record, record.Id, TaskState.Running, checkpoint: null) && life.IsDurable)
        {
            Durability?.OnRetry(record, life.Attempt); // it waits again, as the same
        }

        if (saved is not null)
        {
            Save(record, saved);
        }
    }

    /// <summary>A task that was at another node stands in its file here again, paused.</summary>
    /// <param name="record">Of the task.</param>
    /// <param name="handover">Of its stay: a word about an earlier one changes nothing.</param>
    /// <param name="checkpoint">The file that came back with it; null: the one that it left from.</param>
    /// <param name="failure">Why it did not go on there; null: it was called back.</param>
    /// <param name="onKept">Told when a new file is as safe as the task; at once without one.</param>
    /// <returns>The file that nobody needs any more once that was told.</returns>
    public TaskCheckpoint? ComeBack(TaskRecord record, string handover, TaskCheckpoint? checkpoint, string? failure, Action onKept)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(onKept);
        if (!IsAway(record, handover) || record.Life is not { Checkpoint: { } left } life)
        {
            return checkpoint;
        }

        (life.Checkpoint, life.Stay, life.Paused) = (checkpoint ?? left with { Failure = failure }, null, true);
        (record.Started, record.Running) = (0, 0);
        ExchangeState(record, Volatile.Read(ref record.Word), TaskState.Queued, held: true);
        Admission?.Release(-1, -record.AdmittedBytes);
        if (checkpoint is not null && life.IsDurable && Durability is { } durability)
        {
            durability.OnCheckpoint(record, checkpoint, onKept);
        }
        else
        {
            onKept();
        }

        return checkpoint is null ? null : left;
    }

    /// <summary>Whether the task's call is at another node by this very hand-over, and its end is not decided.</summary>
    public static bool IsAway(TaskRecord record, string handover)
    {
        ArgumentNullException.ThrowIfNull(record);
        return record.State == TaskState.Running && record.Life is { Ending: null, Stay: { } stay } && string.Equals(stay.Handover, handover, StringComparison.Ordinal);
    }

    /// <summary>The attempt that is away ended: so does the task, unless its terms want another attempt, which begins at its beginning.</summary>
    /// <param name="record">Of a task that <see cref="IsAway"/>.</param>
    /// <param name="state">As at the other node.</param>
    /// <param name="cause">The same.</param>
    /// <param name="file">Where nobody goes on any more; null: it stays until the end is stored.</param>
    public void EndAway(TaskRecord record, TaskState state, in TaskCause cause, out TaskCheckpoint? file)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        file = life.Checkpoint;
        (life.Stay, life.Checkpoint) = (null, null);
        End(record, state, cause);
        if (life.Ending is not null)
        {
            (life.Checkpoint, file) = (file, null); // goes with the task
        }
    }

    /// <summary>A call that visited this node is over here, and its home continues it: nobody is told an end.</summary>
    /// <returns>Its file, of which nothing here knows any more; null: it stood in none.</returns>
    public TaskCheckpoint? EndVisit(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        var file = life.Checkpoint;
        life.Checkpoint = null;
        TryWithdraw(record);
        End(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled, 0, $"it went back to node '{life.Visit?.Home}'"));
        return file;
    }

    /// <summary>Makes a rented record another node's task, under its id, which stands still here until it is resumed.</summary>
    /// <param name="record">Filled.</param>
    /// <param name="id">As its home named it.</param>
    /// <param name="checkpoint">Where it goes on; null: it begins anew.</param>
    /// <param name="visit">Whose it is.</param>
    /// <param name="observer">Told its end.</param>
    public void AdmitVisit(TaskRecord record, TaskId id, TaskCheckpoint? checkpoint, IVisit visit, ITaskObserver observer)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        (life.Visit, life.Checkpoint, life.Paused) = (visit, checkpoint, true);
        _ = Name(record, observer, token: 0, _time.GetTimestamp());
        _table.Restore(id, record);
        (record.Id, record.SubmittedUnixMs) = (id, id.UnixMilliseconds);
        Volatile.Write(ref record.Word, record.Word | RecordWord.Held | (ulong)TaskState.Queued);
    }

    private static void ExchangeState(TaskRecord record, ulong word, TaskState state, bool held)
    {
        while (true)
        {
            var next = (word & ~(RecordWord.StateMask | RecordWord.Held)) | (ulong)state | (held ? RecordWord.Held : 0);
            var seen = Interlocked.CompareExchange(ref record.Word, next, word);
            if (seen == word)
            {
                return;
            }

            word = seen; // pins, waiters
        }
    }
}
