using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>An end that somebody asked for, and why.</summary>
public sealed record AskedEnd(TaskState State, TaskCause Cause);

/// <summary>
/// What few tasks have beside their record: attempts, a deadline, a family, a group, a pause. Written by the completion thread, which
/// decides about all of it (a running command's pause: by the supervisor); read by any thread, as values that are replaced whole.
/// </summary>
public sealed class TaskLife
{
    /// <summary>Earlier attempts that are remembered; of more, the last.</summary>
    public const int MaxRemembered = 16;

    private TaskAttempt[] _earlier = [];
    private AskedEnd? _asked;
    private int _attempt = 1;
    private int _uncounted; // attempts that were ended for others: its terms' bound is not theirs
    private long _retryAtUnixMs;
    private int _childCount;
    private volatile bool _paused;
    private TaskPreemption? _preemption;
    private volatile bool _awaitsLedger;
    private AskedEnd? _ending;
    private TaskCheckpoint? _checkpoint;
    private TaskStay? _stay;
    private TaskMoves? _moves;
    private HashSet<TaskId>? _children;
    private long _deadlineAt;
    private SavedState? _saved;
    private int _savedBytes;
    private long _savedTimes;
    private long _savedUnixMs;

    /// <summary>Null: none of it was asked for at submission.</summary>
    public TaskTerms? Terms { get; internal set; }

    public TaskGroup? Group { get; set; }

    /// <summary>Tasks between it and a task without a parent.</summary>
    public int Depth { get; set; }

    /// <summary>Children that have not ended. Completion thread only.</summary>
    public IReadOnlyCollection<TaskId> Children => (IReadOnlyCollection<TaskId>?)_children ?? [];

    /// <summary>The attempt that runs, ran last, or comes next: 1 for the first.</summary>
    public int Attempt => Volatile.Read(ref _attempt);

    /// <summary>The next attempt is waited for.</summary>
    public bool AwaitsRetry => Volatile.Read(ref _retryAtUnixMs) != 0;

    /// <summary>What it was asked to end as, first; null: nothing.</summary>
    public AskedEnd? Asked => Volatile.Read(ref _asked);

    /// <summary>Its submission, attempts and end are stored. Set before it is admitted.</summary>
    public bool IsDurable { get; internal set; }

    /// <summary>It is held until its submission is stored and what it runs is there.</summary>
    public bool AwaitsLedger
    {
        get => _awaitsLedger;
        internal set => _awaitsLedger = value;
    }

    /// <summary>The end that is being stored; the task ends with it once that is done. Null: none is.</summary>
    public AskedEnd? Ending
    {
        get => Volatile.Read(ref _ending);
        internal set => Volatile.Write(ref _ending, value);
    }

    public bool Paused
    {
        get => _paused;
        set => _paused = value;
    }

    /// <summary>Where its attempt stands, written down; a start continues it. Null: it begins at its beginning, or runs.</summary>
    public TaskCheckpoint? Checkpoint
    {
        get => Volatile.Read(ref _checkpoint);
        internal set => Volatile.Write(ref _checkpoint, value);
    }

    /// <summary>What it saved last, for its next attempt; null: nothing, or it has ended. Written by the completion thread; the dispatch owner takes hold of it before it starts an attempt.</summary>
    public SavedState? Saved
    {
        get => Volatile.Read(ref _saved);
        internal set => Volatile.Write(ref _saved, value);
    }

    /// <summary>The write of its state that was posted last; null: none was. Completion thread only.</summary>
    public LedgerWrite? StateWrite { get; set; }

    /// <summary>Bytes that it saved last; 0: none. A momentary value.</summary>
    public int SavedBytes => Volatile.Read(ref _savedBytes);

    /// <summary>Its call was asked for its place, and somebody waits for it; null: nobody. Completion thread only.</summary>
    public YieldWish? Wish { get; set; }

    /// <summary>The other node where its call goes on, and how it is asked to end there; null: it is here.</summary>
    public TaskStay? Stay
    {
        get => Volatile.Read(ref _stay);
        internal set => Volatile.Write(ref _stay, value);
    }

    /// <summary>Its moves between nodes so far; null: there was none. Replaced as a whole by the completion thread.</summary>
    public TaskMoves? Moves
    {
        get => Volatile.Read(ref _moves);
        set => Volatile.Write(ref _moves, value);
    }

    /// <summary>Called once, when its call goes on from its file, or its next attempt begins; null: nobody wants to know. Must not block or throw.</summary>
    public Action? Continued { get; set; }

    /// <summary>It is another node's task, whose call runs here for it; null: it is this node's own. Set before it is admitted.</summary>
    public IVisit? Visit { get; internal set; }

    /// <summary>Its freezes for others; null: there was none. Replaced as a whole by the dispatch owner.</summary>
    public TaskPreemption? Preemption
    {
        get => Volatile.Read(ref _preemption);
        set => Volatile.Write(ref _preemption, value);
    }

    /// <summary>Completion thread only.</summary>
    public void AddChild(TaskId child) => (_children ??= []).Add(child);

    /// <summary>Completion thread only.</summary>
    public void RemoveChild(TaskId child) => _children?.Remove(child);

    /// <summary>The first who asks says how the task ends. Completion thread only.</summary>
    /// <returns>What was asked first.</returns>
    public AskedEnd Ask(TaskState state, in TaskCause cause)
    {
        if (_asked is null)
        {
            Volatile.Write(ref _asked, new AskedEnd(state, cause));
        }

        return _asked!;
    }

    /// <summary>Its deadline is that far from now: from here on the monotonic clock says when it is over, whoever sets the other one. Before it is admitted.</summary>
    /// <param name="now">The timestamp of that moment.</param>
    /// <param name="nowUnixMs">The wall clock then.</param>
    /// <param name="frequency">Of timestamps.</param>
    internal void BeginDeadline(long now, long nowUnixMs, long frequency)
    {
        if (Terms?.Deadline is { } deadline)
        {
            _deadlineAt = now + (long)Math.Clamp((deadline.ToUnixTimeMilliseconds() - nowUnixMs) * (frequency / 1e3), 0, long.MaxValue / 4);
        }
    }

    /// <summary>Counts a child before it is admitted. Any thread that holds the record.</summary>
    /// <returns>False: it has <paramref name="most"/> already.</returns>
    public bool TryCountChild(int most)
    {
        if (Interlocked.Increment(ref _childCount) <= most)
        {
            return true;
        }

        Interlocked.Decrement(ref _childCount);
        return false;
    }

    public void UncountChild() => Interlocked.Decrement(ref _childCount);

    /// <summary>A copy for those who ask.</summary>
    public TaskLifeFacts Facts()
    {
        var at = Volatile.Read(ref _retryAtUnixMs);
        return new TaskLifeFacts
        {
            Attempt = Attempt,
            MaxAttempts = Terms?.Retry?.MaxAttempts ?? 1,
            Attempts = Volatile.Read(ref _earlier),
            RetryAt = at == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(at),
            Paused = Paused,
            Preemption = Preemption,
            Checkpoint = Checkpoint,
            Moves = Moves,
            Saved = SavedFacts(),
            Home = Visit?.Home,
            Deadline = Terms?.Deadline,
            Group = Terms?.Group,
            Parent = Terms?.Parent,
            Durable = IsDurable,
        };
    }

    /// <summary>The pause before another attempt; null when the task ends with this one.</summary>
    /// <param name="state">What the attempt ended as.</param>
    /// <param name="cause">Why.</param>
    /// <param name="now">An attempt that would begin after the deadline is none.</param>
    /// <param name="frequency">Of timestamps.</param>
    internal TimeSpan? PauseAfter(TaskState state, in TaskCause cause, long now, long frequency)
    {
        if (Terms?.Retry is not { } retry || state is not (TaskState.Failed or TaskState.TimedOut) || _asked is not null
            || _attempt - _uncounted >= retry.MaxAttempts || (retry.On & RetryTerms.Bit(cause.Type)) == 0)
        {
            return null;
        }

#pragma warning disable CA5394 // Not a secret.
        var pause = retry.PauseAfter(_attempt, Random.Shared.NextDouble());
#pragma warning restore CA5394
        return _deadlineAt != 0 && now + (pause.TotalSeconds * frequency) >= _deadlineAt ? null : pause;
    }

    internal void EndAttempt(TaskAttempt ended, long retryAtUnixMs)
    {
        TaskAttempt[] kept = [.. _earlier.Skip(Math.Max(0, _earlier.Length + 1 - MaxRemembered)), ended];
        Volatile.Write(ref _earlier, kept);
        Volatile.Write(ref _attempt, _attempt + 1);
        Volatile.Write(ref _retryAtUnixMs, Math.Max(1, retryAtUnixMs));
    }

    /// <summary>The attempt was ended for others; the next one waits for nobody's clock.</summary>
    internal void EndRestarted(TaskAttempt ended)
    {
        _uncounted++;
        EndAttempt(ended, 0);
        EndWait();
    }

    /// <summary>The attempts before, of a task that an earlier start of the node had. Before it is admitted.</summary>
    internal void Restore(int attempt, TaskAttempt? lost)
    {
        _attempt = attempt;
        _earlier = lost is null ? [] : [lost];
    }

    /// <summary>A state took the place of the one before.</summary>
    /// <param name="state">Which.</param>
    /// <param name="unixMs">When it was saved.</param>
    /// <param name="times">How often the task has saved; 0: once more than before.</param>
    /// <returns>How often the task has saved.</returns>
    internal long Keep(SavedState state, long unixMs, long times = 0)
    {
        times = times == 0 ? _savedTimes + 1 : times;
        Volatile.Write(ref _savedUnixMs, unixMs);
        Volatile.Write(ref _savedBytes, state.Bytes.Length);
        Volatile.Write(ref _savedTimes, times);
        Saved = state;
        return times;
    }

    /// <summary>Of the last one, which may be replaced meanwhile: momentary values.</summary>
    private TaskSaved? SavedFacts() => Volatile.Read(ref _savedTimes) is not 0 and var times
        ? new TaskSaved(Volatile.Read(ref _savedBytes), DateTimeOffset.FromUnixTimeMilliseconds(Volatile.Read(ref _savedUnixMs)), times)
        : null;

    internal void EndWait() => Volatile.Write(ref _retryAtUnixMs, 0);
}
