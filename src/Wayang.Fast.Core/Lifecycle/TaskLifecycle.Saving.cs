using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// What tasks save while they run. It is the task's, not the attempt's: it stays when a worker is lost, and every later attempt is handed it with its input, until one saves anew or
/// the task ends. Completion thread only.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>Of an attempt that gave its place back, here or at another node.</summary>
    public static TaskCause Yielded { get; } = new(CauseType.Cancelled, 0, "it gave its place back, and goes on from what it saved (migration: cooperative)");

    private long _saves;
    private long _yields;

    /// <summary>Memory of what tasks saved.</summary>
    public StateBudget States { get; }

    /// <summary>States that were saved since the start.</summary>
    public long Saves => Volatile.Read(ref _saves);

    /// <summary>A state of a running task is whole: it takes the place of the one before.</summary>
    public void Save(TaskRecord record, SavedState state)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(state);
        var life = record.NeedLife();
        var before = life.Saved;
        var now = _clock.UnixMilliseconds(_time.GetTimestamp());
        var times = life.Keep(state, now);
        Interlocked.Increment(ref _saves);
        if (before is not null)
        {
            States.Replace(before);
        }

        if (life.IsDurable)
        {
            Durability?.OnSaved(record, state, now, times);
        }
    }

    /// <summary>What the ledger has of a task of an earlier start. Before the task is admitted, and any task runs.</summary>
    public void RestoreSaved(TaskRecord record, LedgerSaved saved)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(saved);
        record.NeedLife().Keep(Kept(saved.State), saved.AtUnixMs, saved.Times);
    }

    /// <summary>What a task of another node has saved there. Completion thread, before any attempt of it begins here.</summary>
    public void RestoreSaved(TaskRecord record, ReadOnlySpan<byte> saved)
    {
        ArgumentNullException.ThrowIfNull(record);
        record.NeedLife().Keep(Kept(saved), _clock.UnixMilliseconds(_time.GetTimestamp()));
    }

    private SavedState Kept(ReadOnlySpan<byte> saved)
    {
        var state = States.TryBegin(saved.Length, long.MaxValue)!; // it was kept once: not refused now
        state.TryAppend(saved);
        return state;
    }

    /// <summary>Attempts that gave their places back when they were asked to, since the start.</summary>
    public long Yields => Volatile.Read(ref _yields);

    /// <summary>
    /// A call that was asked to has yielded: its task is queued again, to go on from what it saved as its next attempt, which its terms do not count. It is paused if somebody waits for its place.
    /// </summary>
    /// <param name="record">Of the task.</param>
    /// <param name="id">Of the task.</param>
    /// <param name="enqueue">It has no place in the scheduler, and the caller gives it one.</param>
    /// <returns>False: it does not run, or is about to end; nothing was done.</returns>
    public bool TryYield(TaskRecord record, TaskId id, out bool enqueue)
    {
        ArgumentNullException.ThrowIfNull(record);
        enqueue = false;
        var wish = record.Life?.Wish;
        if (!TryBeginAnew(record, id, Yielded))
        {
            return false;
        }

        ReturnMemory(record);
        Interlocked.Increment(ref _yields);
        if (wish is null)
        {
            enqueue = Resume(record) == QueuedChange.Enqueue;
        }

        AnswerWish(record.Life!, null);
        return true;
    }

    private static void AnswerWish(TaskLife life, OperationError? refusal)
    {
        var wish = life.Wish;
        life.Wish = null;
        wish?.Answer(refusal);
    }

    /// <summary>The task has ended: nobody begins from what it saved.</summary>
    private static void ForgetSaved(TaskLife life)
    {
        var saved = life.Saved;
        life.Saved = null;
        saved?.Release();
    }
}
