using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Preemption;

/// <summary>Who may be frozen for whom, and how much of the node may stand still at once. Immutable; checked where it is read.</summary>
public sealed record PreemptionPolicy
{
    /// <summary>False: what waits for a slot waits until one is given back.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Tasks of this class and above freeze others. A task that ageing has lifted still counts as its own class.</summary>
    public TaskClass By { get; init; } = TaskClass.Urgent;

    /// <summary>Tasks of this class and below are frozen, if their class is below that of the task which waits.</summary>
    public TaskClass Of { get; init; } = TaskClass.Batch;

    /// <summary>Tasks that may be frozen at once.</summary>
    public int MaxTasks { get; init; } = 64;

    /// <summary>Memory that frozen tasks may hold together; 0: a quarter of what the node may set aside.</summary>
    public long MaxBytes { get; init; }

    /// <summary>How long a task is frozen altogether before it gets the next slot that is free, whatever waits, and is frozen no more.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Never within a class.</summary>
    public bool Preempts(TaskClass waiting, TaskClass running) => Enabled && waiting >= By && running <= Of && running < waiting;
}
