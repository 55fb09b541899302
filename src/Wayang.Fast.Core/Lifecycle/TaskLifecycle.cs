using System.Diagnostics.CodeAnalysis;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// The only writer of task state.
/// <code>
///              Admit            TryStart             Run
///   (rented) ────────> queued ───────────> starting ─────> running ←─── AdmitRunning ──── (rented)
///                        ^ │ End              │ End           │ End
///      another attempt   └─┼──────────────────┴───────────────┤   TryFreeze, TryThaw: running and frozen, which ends as running does
///                          └──────────────────────────────────┴──────> succeeded | failed | cancelled | timed_out | rejected
/// </code>
/// <para>
/// Threads. <see cref="Admit(TaskRecord, ITaskObserver?, long)"/>: the submitter. <see cref="TryStart(TaskRecord)"/>: the dispatch owner. <see cref="Run(TaskRecord)"/>: whoever started
/// it. <see cref="End(TaskRecord, TaskState, in TaskCause)"/>, <see cref="EndBatch"/>, <see cref="Sweep"/>: the completion thread only (one writer of ends; this is what
/// makes "exactly once" cheap). Waiters, pins and copies: any thread. Nothing here blocks; locks (striped, short) are
/// taken only for tasks that have waiters besides their observer.
/// </para>
/// <para>
/// Holds. A record goes back to the table when retention has forgotten it and nothing holds it: neither the scheduler
/// (a task that ended while queued leaves a tombstone there, consumed by TryStart or <see cref="Drop"/>) nor a pin.
/// Whoever starts a task may read its payload until Run. An end that comes between TryStart and Run (cancel, lost worker) must
/// therefore be made under the same lock as dispatch, or the starter pins the record first.
/// </para>
/// </summary>
public sealed partial class TaskLifecycle
{
    private const int LockStripes = 64;

    private readonly TaskTable _table;
    private readonly TimeProvider _time;
    private readonly Retention _retention;
    private readonly Lock[] _locks = new Lock[LockStripes];
    private readonly UnixClock _clock;
    private long _lastEnded;

    public TaskLifecycle(TaskTable table, RetentionOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        _table = table;
        States = new StateBudget(table.Slabs);
        _time = time;
        _retention = new Retention(options, time);
        _clock = new UnixClock(time);
        Times = new TaskTimes(time);
        for (var i = 0; i < LockStripes; i++)
        {
            _locks[i] = new Lock();
        }
    }

    public EndCounters Counters { get; } = new();

    public TaskTimes Times { get; }

    /// <summary>The wall clock at a timestamp of the runtime's.</summary>
    public long UnixMilliseconds(long timestamp) => _clock.UnixMilliseconds(timestamp);

    /// <summary>Ended tasks that are kept, and the pooled bytes that they hold.</summary>
    public int Retained => _retention.Count;
    public long RetainedBytes => _retention.Bytes;

    /// <summary>
    /// Makes a rented, filled record a queued task with an id. The scheduler's hold begins: the caller pushes the slot into the
    /// inbox next. The record must not be touched by the submitter afterwards.
    /// </summary>
    /// <returns>The id (the record may already be another task's when this returns to the caller's caller).</returns>
    public TaskId Admit(TaskRecord record, ITaskObserver? observer, long token) => Admit(record, observer, token, _time.GetTimestamp());

    /// <param name="now">A timestamp shared by a batch.</param>
    public TaskId Admit(TaskRecord record, ITaskObserver? observer, long token, long now)
    {
        var id = Name(record, observer, token, now);
        Volatile.Write(ref record.Word, record.Word | RecordWord.Entry | (ulong)TaskState.Queued);
        return id;
    }

    /// <summary>
    /// The same for a task that is handed to a worker at once: it never waits, and the scheduler never sees it. Completion thread only, beside which
    /// nothing ends it while its input is handed over.
    /// </summary>
    public TaskId AdmitRunning(TaskRecord record, ITaskObserver? observer, long token, long now)
    {
        var id = Name(record, observer, token, now);
        record.Started = now;
        record.Running = now;
        HeldQuota.Of(record).Release(record);
        Volatile.Write(ref record.Word, record.Word | (ulong)TaskState.Running);
        return id;
    }

    private TaskId Name(TaskRecord record, ITaskObserver? observer, long token, long now)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = record.Word;
        if (RecordWord.State(word) != TaskState.None)
        {
            throw Defect(record, word, "admit");
        }

        var unix = _clock.UnixMilliseconds(now);
        var id = TaskId.Create(unix, _table.BootTag, RecordWord.Generation(word), record.Slot);
        record.Submitted = now;
        record.SubmittedUnixMs = unix;
        record.Life?.BeginDeadline(now, unix, _time.TimestampFrequency);
        record.Id = id;
        record.Observer = observer;
        record.Token = token;
        return id;
    }

    /// <summary>Queued to starting. False: it ended meanwhile; the scheduler's entry is consumed and the record no longer the caller's.</summary>
    public bool TryStart(TaskRecord record) => TryStart(record, _time.GetTimestamp());

    /// <param name="now">A timestamp shared by a batch.</param>
    /// <param name="running">Straight to running: only for the completion thread, beside which nothing ends a task while it hands over the input.</param>
    /// <param name="level">The level that the entry was taken from; tells the places that a moved task left from the one it has.</param>
    public bool TryStart(TaskRecord record, long now, bool running = false, byte level = 0)
    {
        ArgumentNullException.ThrowIfNull(record);
        var quota = HeldQuota.Of(record);
        var word = Volatile.Read(ref record.Word);
        while (true)
        {
            if ((word & RecordWord.EntryMarks) != RecordWord.Entry)
            {
                if (IsStale(record, word, level, out var without))
                {
                    if (TryConsume(record, ref word, without))
                    {
                        return false;
                    }

                    continue;
                }

                TellStart(record, word);
            }

            if ((word & RecordWord.Entry) == 0 || RecordWord.State(word) is not (TaskState.Queued or >= TaskState.Succeeded))
            {
                throw Defect(record, word, "start");
            }

            var live = RecordWord.State(word) == TaskState.Queued;
            if (live)
            {
                record.Started = now;
                record.Running = running ? now : 0;
            }

            var next = live
                ? (word & ~(RecordWord.Entry | RecordWord.StateMask)) | (ulong)(running ? TaskState.Running : TaskState.Starting)
                : word & ~RecordWord.Entry;
            var seen = Interlocked.CompareExchange(ref record.Word, next, word);
            if (seen == word)
            {
                quota.Release(live ? record : null);
                RecycleIfFree(record, next);
                return live;
            }

            word = seen;
        }
    }

    /// <summary>
    /// The scheduler no longer has the slot, and the task was not started (its pool was removed and it will be ended, not queued
    /// elsewhere). A slot that is queued again keeps its hold: no call is needed.
    /// </summary>
    /// <returns>False when the task had ended: the record is no longer the caller's.</returns>
    public bool Drop(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var quota = HeldQuota.Of(record);
        var word = Volatile.Read(ref record.Word);
        while (true)
        {
            if ((word & RecordWord.EntryMarks) != RecordWord.Entry && IsStale(record, word, level: 0, out var without))
            {
                if (TryConsume(record, ref word, without))
                {
                    return false;
                }

                continue;
            }

            if ((word & RecordWord.Entry) == 0)
            {
                throw Defect(record, word, "drop");
            }

            var next = word & ~RecordWord.Entry;
            var seen = Interlocked.CompareExchange(ref record.Word, next, word);
            if (seen == word)
            {
                var waits = !RecordWord.HasEnded(next);
                quota.Release(waits ? record : null);
                RecycleIfFree(record, next);
                return waits;
            }

            word = seen;
        }
    }

    /// <summary>Starting to running: the worker has it, and its input was handed over (the end gives a large input's memory back).</summary>
    public void Run(TaskRecord record) => Run(record, _time.GetTimestamp());

    /// <param name="now">A timestamp shared by a batch.</param>
    [SuppressMessage("Performance", "CA1822", Justification = "all transitions are asked of the lifecycle")]
    public void Run(TaskRecord record, long now)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        while (true)
        {
            if (RecordWord.HasEnded(word) || (RecordWord.State(word) == TaskState.Queued && record.Life is not null))
            {
                return; // lost or cancelled between its start and now, or its next attempt waits already
            }

            if (RecordWord.State(word) != TaskState.Starting)
            {
                throw Defect(record, word, "run");
            }

            record.Running = now;
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | (ulong)TaskState.Running, word);
            if (seen == word)
            {
                return;
            }

            word = seen;
        }
    }

    /// <summary>
    /// Ends an attempt, and with it the task unless its terms want another attempt: publishes state and cause, tells its observer and waiters on this thread, keeps it for as long as retention
    /// says. Completion thread only. Output must be complete before.
    /// </summary>
    /// <returns>False when it had ended: nothing was done.</returns>
    public bool End(TaskRecord record, TaskState state, in TaskCause cause)
    {
        var now = _time.GetTimestamp();
        var ended = End(record, state, cause, now);
        ForgetExcess(now);
        return ended;
    }

    /// <summary>One end of a batch, after which <see cref="ForgetExcess"/> is owed: the memory of old tasks is in no cache, and to
    /// touch it can wait until the workers have their next requests.</summary>
    /// <param name="now">A timestamp shared by a batch.</param>
    public bool End(TaskRecord record, TaskState state, in TaskCause cause, long now)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentOutOfRangeException.ThrowIfLessThan((int)state, (int)TaskState.Succeeded, nameof(state));
        var word = Volatile.Read(ref record.Word);
        if (RecordWord.HasEnded(word))
        {
            return false;
        }

        if (RecordWord.State(word) == TaskState.None)
        {
            throw Defect(record, word, "end");
        }

        var life = record.Life;
        if (life is not null && (life.Ending is not null || TryAgain(record, life, word, state, cause, now) || TryPostpone(record, life, state, cause, now)))
        {
            return true;
        }

        record.SetCause(cause);
        record.Ended = now;
        word = Publish(record, word, state);
        Finish(record, word, state, cause, now);
        if (life is not null)
        {
            EndLife(record, life, word);
        }

        return true;
    }

    /// <summary>
    /// Ends a task only if it still waits: cancellation racing with dispatch. Completion thread only.
    /// </summary>
    /// <returns>False when it was started or had ended: nothing was done.</returns>
    public bool TryEndQueued(TaskRecord record, TaskState state, in TaskCause cause)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentOutOfRangeException.ThrowIfLessThan((int)state, (int)TaskState.Succeeded, nameof(state));
        var now = _time.GetTimestamp();
        if (record.Life is { IsDurable: true } durable)
        {
            return TryPostpone(record, durable, state, cause, now, onlyQueued: true);
        }

        var word = Volatile.Read(ref record.Word);
        while (RecordWord.State(word) == TaskState.Queued)
        {
            record.SetCause(cause);
            record.Ended = now;
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | (ulong)state, word);
            if (seen == word)
            {
                Finish(record, word, state, cause, now);
                if (record.Life is { } life)
                {
                    EndLife(record, life, word);
                }

                ForgetExcess(now);
                return true;
            }

            word = seen;
            record.Ended = 0; // written too early if it was just started
        }

        return false;
    }

    private static ulong Publish(TaskRecord record, ulong word, TaskState state)
    {
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | (ulong)state, word);
            if (seen == word)
            {
                return word;
            }

            word = seen;
        }
    }

    /// <summary>What follows a published end; <paramref name="before"/> is the word that it replaced.</summary>
    private void Finish(TaskRecord record, ulong before, TaskState state, in TaskCause cause, long now)
    {
        if (RecordWord.State(before) is TaskState.Running or TaskState.Frozen or TaskState.Queued && (before & RecordWord.PinMask) == 0)
        {
            // Else somebody may be reading them: they go with the record.
            record.Input.Clear();
            if (record.Command is not null)
            {
                record.Command = null;
            }
        }

        if (record.Terms is { } terms)
        {
            record.Terms = terms.Spent();
            if (record.ResultKey is not null)
            {
                Keep(record); // before the end is told: who asks again then finds it
            }
        }

        _lastEnded = now;
        Counters.Count(state, cause.Type);
        if (Events is { } events && (state != TaskState.Succeeded || events.TellsSuccess) && record.Life?.Visit is null)
        {
            events.OnEnded(record, state, cause);
        }

        ReturnMemory(record);

        try
        {
            Tell(record, before);
        }
        finally
        {
            if (_retention.IsFull)
            {
                ForgetExcess(now);
            }

            _retention.Append(record, record.PooledBytes, now);
        }
    }

    private void Evict(TaskRecord record)
    {
        var word = Volatile.Read(ref record.Word);
        while (true)
        {
            var next = word | RecordWord.Evicted;
            var seen = Interlocked.CompareExchange(ref record.Word, next, word);
            if (seen == word)
            {
                if (RecordWord.IsFree(next))
                {
                    _table.RecycleOwn(record);
                }

                return;
            }

            word = seen;
        }
    }

    /// <summary>After a successful exchange to <paramref name="word"/> that may have dropped the last hold.</summary>
    private void RecycleIfFree(TaskRecord record, ulong word)
    {
        if (RecordWord.IsFree(word))
        {
            _table.Recycle(record);
        }
    }

    private Lock LockOf(TaskRecord record) => _locks[record.Slot & (LockStripes - 1)];

    private static InvalidOperationException Defect(TaskRecord record, ulong word, string verb) =>
        new($"cannot {verb} slot {record.Slot} in state {RecordWord.State(word)} (word 0x{word:x16})");
}
