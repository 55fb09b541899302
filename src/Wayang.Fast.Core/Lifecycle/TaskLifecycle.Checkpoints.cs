using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// Attempts that are written down and continued. To the scheduler such a task is a paused one: queued, held, without a place. What is different is its next start,
/// which continues the attempt instead of beginning one. Completion thread only, but for <see cref="Continue"/>.
/// </content>
public sealed partial class TaskLifecycle
{
    private long _checkpoints;
    private long _restarts;

    /// <summary>Attempts that were written down since the start.</summary>
    public long Checkpoints => Volatile.Read(ref _checkpoints);

    /// <summary>Attempts that were ended to begin anew since the start.</summary>
    public long Restarts => Volatile.Read(ref _restarts);

    /// <summary>Running or frozen to queued and paused. Nothing more that the attempt's worker says may be read.</summary>
    /// <param name="record">Of the task.</param>
    /// <param name="id">Of the task.</param>
    /// <param name="checkpoint">Its file is whole.</param>
    /// <param name="onKept">Told when that is as safe as the task: at once, or, of a durable one, when it is stored.</param>
    /// <returns>False: it does not run, or is about to end; nothing was done.</returns>
    public bool TryCheckpoint(TaskRecord record, TaskId id, TaskCheckpoint checkpoint, Action onKept)
    {
        ArgumentNullException.ThrowIfNull(onKept);
        if (!TryHold(record, id, TaskState.Running, checkpoint))
        {
            return false;
        }

        Interlocked.Increment(ref _checkpoints);
        if (record.Life!.IsDurable && Durability is { } durability)
        {
            durability.OnCheckpoint(record, checkpoint, onKept);
        }
        else
        {
            onKept();
        }

        return true;
    }

    /// <summary>Starting to queued and paused: its attempt could not be continued, and stands as it stood.</summary>
    /// <returns>False: it is not being continued; nothing was done.</returns>
    public bool TryReturn(TaskRecord record, TaskId id, string failure)
    {
        if (record?.Life is not { Checkpoint: { } checkpoint } life || !TryHold(record, id, TaskState.Starting, checkpoint with { Failure = failure }))
        {
            return false;
        }

        life.Visit?.OnReturned(failure);
        return true;
    }

    /// <summary>Starting to running: the attempt goes on. The dispatch owner, before the worker is told.</summary>
    public void Continue(TaskRecord record, long now)
    {
        ArgumentNullException.ThrowIfNull(record);
        var life = record.NeedLife();
        if (life is { IsDurable: true, Checkpoint: { } checkpoint })
        {
            Durability?.OnContinuing(record, life.Attempt, checkpoint);
        }

        life.Checkpoint = null;
        Run(record, now);
        TellBegun(life);
    }

    /// <summary>A started attempt begins, or goes on. The dispatch owner, before the worker is told.</summary>
    public static void TellBegun(TaskLife life)
    {
        ArgumentNullException.ThrowIfNull(life);
        life.Visit?.OnBegun();
        life.Continued?.Invoke();
        life.Continued = null;
    }

    /// <summary>Running or frozen to queued and paused, to begin at its beginning as its next attempt, which its terms do not count. Nothing more that the attempt's worker says may be read.</summary>
    /// <param name="record">Of the task.</param>
    /// <param name="id">Of the task.</param>
    /// <param name="cause">Why the attempt ended.</param>
    /// <returns>False: it does not run, or is about to end; nothing was done.</returns>
    public bool TryRestart(TaskRecord record, TaskId id, in TaskCause cause)
    {
        if (!TryBeginAnew(record, id, cause))
        {
            return false;
        }

        Interlocked.Increment(ref _restarts);
        return true;
    }

    private bool TryBeginAnew(TaskRecord record, TaskId id, in TaskCause cause)
    {
        ArgumentNullException.ThrowIfNull(record);
        var now = _time.GetTimestamp();
        var ran = record.Running == 0 ? 0 : (long)_time.GetElapsedTime(record.Running, now).TotalMicroseconds;
        if (!TryHold(record, id, TaskState.Running, checkpoint: null))
        {
            return false;
        }

        var life = record.NeedLife();
        life.EndRestarted(new TaskAttempt(life.Attempt, TaskState.Cancelled, cause, ran));
        record.ForgetAttempt();
        if (life.IsDurable)
        {
            Durability?.OnRetry(record, life.Attempt);
        }

        return true;
    }

    private bool TryHold(TaskRecord record, TaskId id, TaskState from, TaskCheckpoint? checkpoint)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        if (!TaskTable.Matches(record, word, id) || !IsIn(from, RecordWord.State(word)) || record.Life?.Ending is not null)
        {
            return false;
        }

        var life = record.NeedLife();
        (life.Checkpoint, life.Paused) = (checkpoint, true);
        (record.Started, record.Running, record.Worker, record.InFlightIndex) = (0, 0, -1, -1);
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | RecordWord.Held | (ulong)TaskState.Queued, word);
            if (seen == word)
            {
                break;
            }

            word = seen; // pins, waiters
        }

        Admission?.Release(-1, -record.AdmittedBytes); // dispatch gave it back
        return true;
    }

    /// <summary>The dispatch owner freezes and thaws what runs, beside this.</summary>
    private static bool IsIn(TaskState from, TaskState state) => state == from || (from == TaskState.Running && state == TaskState.Frozen);
}
