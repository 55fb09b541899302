using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Wakes tasks that wait for their next attempt.</summary>
public interface IAttemptTimer
{
    /// <summary>Asks that <see cref="TaskLifecycle.TryRequeue"/> be called for the task, on the completion thread, at a timestamp or soon after.</summary>
    void WakeAt(TaskId id, long timestamp);
}

/// <content>
/// Attempts. One that ends with a cause that its terms want retried does not end the task: it is queued again, held outside the
/// scheduler until its pause is over. Whatever comes meanwhile (a cancel, a stop) meets a queued task. What an older attempt's worker still
/// says is dropped: its ticket is not in flight any more.
/// </content>
public sealed partial class TaskLifecycle
{
    private long _retries;
    private long _awaiting;

    /// <summary>
    /// Told of every place in the scheduler that a task gets besides its first, and of tasks that wait without a place: they count as queued,
    /// too. Set once by the composition; null: nobody counts.
    /// </summary>
    public AdmissionGate? Admission { get; set; }

    /// <summary>Set once by the composition; without one there is no second attempt.</summary>
    public IAttemptTimer? AttemptTimer { get; set; }

    /// <summary>Called on the completion thread after the end of a task that has a life; must not block or throw. Set once.</summary>
    public Action<TaskRecord, TaskLife>? LifeEnded { get; set; }

    /// <summary>Attempts after the first that were granted since the start.</summary>
    public long Retries => Volatile.Read(ref _retries);

    /// <summary>Tasks whose next attempt is waited for.</summary>
    public long AwaitingRetry => Volatile.Read(ref _awaiting);

    /// <summary>Gives a task what its terms say of its life. The submitter, before it admits.</summary>
    public static void Begin(TaskRecord record, TaskTerms terms)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(terms);
        if (terms.HasLife)
        {
            record.NeedLife().Terms = terms;
        }
    }

    /// <summary>
    /// The pause before a task's next attempt is over: it is queued once more, and the caller puts it into the scheduler. Completion
    /// thread only.
    /// </summary>
    /// <returns>False: it ended meanwhile, or waits for something else.</returns>
    public bool TryRequeue(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.Life is not { AwaitsRetry: true } life || record.State != TaskState.Queued)
        {
            return false;
        }

        life.EndWait();
        Interlocked.Decrement(ref _awaiting);
        record.ForgetAttempt();
        return !life.Paused && TryRelease(record);
    }

    /// <summary>Lets a held task be started again. True: it has no place in the scheduler, and the caller gives it one.</summary>
    private static bool TryRelease(TaskRecord record)
    {
        var word = Volatile.Read(ref record.Word);
        while (RecordWord.State(word) == TaskState.Queued && (word & RecordWord.Held) != 0)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.Held) | RecordWord.Entry, word);
            if (seen == word)
            {
                return (word & RecordWord.Entry) == 0;
            }

            word = seen;
        }

        return false;
    }

    /// <summary>Lets the task have another attempt, if its terms say so. Completion thread only.</summary>
    private bool TryAgain(TaskRecord record, TaskLife life, ulong word, TaskState state, in TaskCause cause, long now)
    {
        if (AttemptTimer is not { } timer || record.CancelRequested || RecordWord.State(word) is not (TaskState.Starting or TaskState.Running or TaskState.Frozen)
            || life.PauseAfter(state, cause, now, _time.TimestampFrequency) is not { } pause)
        {
            return false;
        }

        AnswerWish(life, YieldWish.Ended);
        LearnAttempt(record, cause);
        record.Ended = now;
        var ended = new TaskAttempt(life.Attempt, state, cause, record.RunMicroseconds);
        record.Ended = 0;
        life.EndAttempt(ended, _clock.UnixMilliseconds(now) + (long)pause.TotalMilliseconds);
        (record.Started, record.Running, record.Worker, record.InFlightIndex) = (0, 0, -1, -1);
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | RecordWord.Held | (ulong)TaskState.Queued, word);
            if (seen == word)
            {
                break;
            }

            word = seen; // pins, waiters, or starting became running
        }

        if (life.IsDurable)
        {
            Durability?.OnRetry(record, life.Attempt);
        }

        Admission?.Release(-1, -record.AdmittedBytes); // dispatch gave it back
        Interlocked.Increment(ref _retries);
        Interlocked.Increment(ref _awaiting);
        timer.WakeAt(record.Id, now + (long)(pause.TotalSeconds * _time.TimestampFrequency));
        return true;
    }

    /// <summary>The task ended, with this attempt or while it waited.</summary>
    /// <param name="record">Ended.</param>
    /// <param name="life">Its life.</param>
    /// <param name="before">The word that its end replaced.</param>
    private void EndLife(TaskRecord record, TaskLife life, ulong before)
    {
        if ((before & (RecordWord.StateMask | RecordWord.Entry | RecordWord.Held)) == ((ulong)TaskState.Queued | RecordWord.Held))
        {
            Admission?.Release(1, record.AdmittedBytes); // it waited without a place, which would have come up
            if ((before & RecordWord.StaleMask) == 0)
            {
                HeldQuota.Of(record).Release(record);
            }
        }

        if (life.AwaitsRetry)
        {
            life.EndWait();
            Interlocked.Decrement(ref _awaiting);
        }

        life.Paused = false;
        AnswerWish(life, YieldWish.Ended);
        ForgetSaved(life);
        LifeEnded?.Invoke(record, life);
    }

    /// <summary>
    /// Whether an entry that came up is a place that its task left, or that of a held one. A moved task has more than one entry, and they
    /// look alike: one from a higher level than the task has now is an old one; of the others whichever comes first is its turn.
    /// </summary>
    private static bool IsStale(TaskRecord record, ulong word, byte level, out ulong without)
    {
        without = (word & RecordWord.StaleMask) != 0 ? word - RecordWord.OneStale : word & ~RecordWord.Entry;
        if ((word & (RecordWord.Entry | RecordWord.StaleMask)) == 0)
        {
            throw Defect(record, word, "consume an entry of");
        }

        return (word & RecordWord.Held) != 0 || (word & RecordWord.Entry) == 0
            || RecordWord.State(word) != TaskState.Queued || level > record.Level;
    }

    private bool TryConsume(TaskRecord record, ref ulong word, ulong without)
    {
        var bytes = record.AdmittedBytes;
        var quota = HeldQuota.Of(record);
        var seen = Interlocked.CompareExchange(ref record.Word, without, word);
        if (seen != word)
        {
            word = seen;
            return false;
        }

        if ((seen & RecordWord.StaleMask) != 0)
        {
            Interlocked.Decrement(ref _moves);
        }
        else if (RecordWord.State(seen) == TaskState.Queued)
        {
            Admission?.Release(-1, -bytes); // its owner gives the place back, and the task waits on
        }

        if (RecordWord.HasEnded(without) && (without & RecordWord.Places) == 0)
        {
            quota.Release(null);
        }

        RecycleIfFree(record, without);
        return true;
    }
}
