using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>What became of a wish to move or hold a task.</summary>
public enum QueuedChange : byte
{
    Done = 0,

    /// <summary>Done, and the caller gives the task a place in the scheduler.</summary>
    Enqueue,

    /// <summary>It does not wait any more.</summary>
    NotQueued,

    /// <summary>It, or all tasks together, left too many places behind that have not come up yet.</summary>
    TooManyMoves,
}

/// <content>
/// Changes of queued tasks. The scheduler's queues have no way to take something out of their middle, so a task that moves leaves its old place
/// behind, counted in the record's word, and a held one lets its place come up in vain. Completion thread only.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>Places that tasks left behind at most, over all of them: what a scheduler needs room for beyond one place a task.</summary>
    public const int MaxMoves = 65_536;

    private int _moves;

    /// <summary>Places in the scheduler that their tasks have left.</summary>
    public int Moves => Volatile.Read(ref _moves);

    /// <summary>Keeps a queued task from being started until <see cref="Resume"/>.</summary>
    public static QueuedChange Pause(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        var word = Volatile.Read(ref record.Word);
        while (RecordWord.State(word) == TaskState.Queued)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, word | RecordWord.Held, word);
            if (seen == word)
            {
                life.Paused = true;
                return QueuedChange.Done;
            }

            word = seen;
        }

        return QueuedChange.NotQueued;
    }

    /// <summary>The opposite of <see cref="Pause"/>. A task whose next attempt is not due goes on waiting for that.</summary>
    public static QueuedChange Resume(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.State != TaskState.Queued)
        {
            return QueuedChange.NotQueued;
        }

        if (record.Life is not { Paused: true } life)
        {
            return QueuedChange.Done;
        }

        life.Paused = false;
        return !life.AwaitsRetry && !life.AwaitsLedger && TryRelease(record) ? QueuedChange.Enqueue : QueuedChange.Done;
    }

    /// <summary>Lets a queued task wait at another level, behind those of its tenant that wait there.</summary>
    public QueuedChange Move(TaskRecord record, byte level)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        var before = record.Level;
        while (RecordWord.State(word) == TaskState.Queued)
        {
            record.Level = level; // read by the owner when it sees the mark that follows
            if ((word & RecordWord.Entry) == 0 || level == before)
            {
                return QueuedChange.Done; // held without a place: it gets one at its new level
            }

            if ((word & RecordWord.StaleMask) == RecordWord.StaleMask || Interlocked.Increment(ref _moves) > MaxMoves)
            {
                if ((word & RecordWord.StaleMask) != RecordWord.StaleMask)
                {
                    Interlocked.Decrement(ref _moves);
                }

                record.Level = before;
                return QueuedChange.TooManyMoves;
            }

            var seen = Interlocked.CompareExchange(ref record.Word, word + RecordWord.OneStale, word);
            if (seen == word)
            {
                Admission?.Release(-1, -record.AdmittedBytes);
                return QueuedChange.Enqueue;
            }

            Interlocked.Decrement(ref _moves);
            word = seen;
        }

        record.Level = before;
        return QueuedChange.NotQueued;
    }
}
