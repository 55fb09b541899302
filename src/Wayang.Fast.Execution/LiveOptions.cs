namespace Wayang.Fast.Execution;

/// <summary>
/// The options in force, replaced as a whole: a reader that needs two values of one moment takes <see cref="Current"/> once.
/// Any thread reads; one at a time replaces.
/// </summary>
internal sealed class LiveOptions(RuntimeOptions start)
{
    private readonly RuntimeOptions _start = start;
    private volatile RuntimeOptions _current = start;
    private int _changes;

    public RuntimeOptions Current => _current;

    /// <summary>How often they were replaced.</summary>
    public int Changes => Volatile.Read(ref _changes);

    /// <summary>
    /// What of <paramref name="wanted"/> a node that was started with <paramref name="start"/> can do: the tables of tasks were sized then, the
    /// channels and threads made for it.
    /// </summary>
    public static RuntimeOptions Within(RuntimeOptions start, RuntimeOptions wanted) => wanted with
    {
        MaxQueuedTasks = Math.Min(wanted.MaxQueuedTasks, start.MaxQueuedTasks),
        RetainTasks = Math.Min(wanted.RetainTasks, start.RetainTasks),
        MaxPayloadBytes = start.MaxPayloadBytes,
        SpinMicroseconds = start.SpinMicroseconds,
        WorkerSpinPauses = start.WorkerSpinPauses,
        MaxImages = start.MaxImages,
        IdempotencyMinutes = start.IdempotencyMinutes,
        DurableByDefault = start.DurableByDefault,
        MaxIdempotencyKeys = start.MaxIdempotencyKeys,
        MaxGroups = start.MaxGroups,
        StallMs = start.StallMs,
        CompletionCpu = start.CompletionCpu,
        IdleAgeing = start.IdleAgeing,
        BatchAgeing = start.BatchAgeing,
        NormalAgeing = start.NormalAgeing,
        UrgentAgeing = start.UrgentAgeing,
        Profiles = start.Profiles,
    };

    public RuntimeOptions Replace(RuntimeOptions wanted)
    {
        _current = Within(_start, wanted);
        Interlocked.Increment(ref _changes);
        return _current;
    }
}
