namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// What tasks save while they run. It is the task's, not the attempt's: it stays when a worker is lost, and every later attempt is handed it with its input, until one saves anew or
/// the task ends. Completion thread only.
/// </content>
public sealed partial class TaskLifecycle
{
    private long _saves;

    /// <summary>Memory of what tasks saved.</summary>
    public StateBudget States => field ??= new StateBudget(_table.Slabs);

    /// <summary>States that were saved since the start.</summary>
    public long Saves => Volatile.Read(ref _saves);

    /// <summary>A state of a running task is whole: it takes the place of the one before.</summary>
    public void Save(TaskRecord record, SavedState state)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(state);
        var life = record.NeedLife();
        var before = life.Saved;
        life.Keep(state, _clock.UnixMilliseconds(_time.GetTimestamp()));
        Interlocked.Increment(ref _saves);
        if (before is not null)
        {
            States.Replace(before);
        }
    }

    /// <summary>The task has ended: nobody begins from what it saved.</summary>
    private static void ForgetSaved(TaskLife life)
    {
        var saved = life.Saved;
        life.Saved = null;
        saved?.Release();
    }
}
