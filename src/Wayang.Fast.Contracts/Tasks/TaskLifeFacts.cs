namespace Wayang.Fast.Contracts.Tasks;

/// <summary>An attempt that ended and was followed by another.</summary>
/// <param name="Attempt">1 for the first.</param>
/// <param name="State">What the task would have ended as.</param>
/// <param name="Cause">Why the attempt ended.</param>
/// <param name="RunMicroseconds">From running to the attempt's end.</param>
public sealed record TaskAttempt(int Attempt, TaskState State, TaskCause Cause, long RunMicroseconds);

/// <summary>What is told of the life of a task that has retries, a group, a parent, a deadline or a pause. A copy; immutable.</summary>
public sealed record TaskLifeFacts
{
    /// <summary>The attempt that runs, ran last, or comes next: 1 for the first.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>At most so many; 1 without retries.</summary>
    public int MaxAttempts { get; init; } = 1;

    /// <summary>Earlier attempts, the oldest first; of many only the last (see <see cref="Attempt"/>).</summary>
    public IReadOnlyList<TaskAttempt> Attempts { get; init; } = [];

    /// <summary>When the next attempt may start; null: none is waited for.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>It is held, or its processes are stopped, until it is resumed.</summary>
    public bool Paused { get; init; }

    /// <summary>Its freezes for tasks of a higher class; null: there was none.</summary>
    public TaskPreemption? Preemption { get; init; }

    /// <summary>Where its call stands in a file, to be continued; null: it does not.</summary>
    public TaskCheckpoint? Checkpoint { get; init; }

    /// <summary>What it saved for its next attempt; null: nothing.</summary>
    public TaskSaved? Saved { get; init; }

    /// <summary>Its moves between nodes, and where it is now; null: it was never moved.</summary>
    public TaskMoves? Moves { get; init; }

    /// <summary>The node whose task it is, when it only visits this one; null: it is this node's own.</summary>
    public string? Home { get; init; }

    /// <summary>When it is stopped, whatever it does; null: never.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The group that it belongs to.</summary>
    public string? Group { get; init; }

    /// <summary>The task whose end ends it.</summary>
    public TaskId? Parent { get; init; }

    /// <summary>It outlives a restart of the node.</summary>
    public bool Durable { get; init; }
}
