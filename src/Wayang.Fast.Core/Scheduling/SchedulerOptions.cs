using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Scheduling;

/// <param name="MaxTasks">Tasks that may wait at once: the slots of the task table.</param>
public sealed record SchedulerOptions(int MaxTasks)
{
    /// <summary>How long a task of each class waits before ageing lifts it one class (16 levels) up, inside urgent to its top (level 55), where
    /// its wait begins anew; zero = never. Nothing is lifted into system. With no zero nothing starves: what reached level 55 is next in its tenant's queue there
    /// when all that came before it has left, and its tenant has its share of that level.</summary>
    public TimeSpan IdleBound { get; init; } = TimeSpan.FromMinutes(5);
    public TimeSpan BatchBound { get; init; } = TimeSpan.FromMinutes(1);
    public TimeSpan NormalBound { get; init; } = TimeSpan.FromSeconds(15);
    public TimeSpan UrgentBound { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often ageing looks at the heads of the queues.</summary>
    public TimeSpan AgeingInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>First level of each class; see <see cref="TaskClass"/>.</summary>
    public static TaskClass ClassOf(int level) => level switch
    {
        >= 56 => TaskClass.System,
        >= 40 => TaskClass.Urgent,
        >= 24 => TaskClass.Normal,
        >= 8 => TaskClass.Batch,
        _ => TaskClass.Idle,
    };

    /// <summary>The bound of a level's class.</summary>
    public TimeSpan BoundOf(int level) => ClassOf(level) switch
    {
        TaskClass.Idle => IdleBound,
        TaskClass.Batch => BatchBound,
        TaskClass.Normal => NormalBound,
        TaskClass.Urgent => UrgentBound,
        _ => TimeSpan.Zero,
    };

    internal void Validate()
    {
        if (MaxTasks <= 0)
        {
            throw new InvalidOperationException($"max tasks is {MaxTasks}: at least 1");
        }

        if (AgeingInterval < TimeSpan.FromMilliseconds(1) || AgeingInterval > TimeSpan.FromDays(1))
        {
            throw new InvalidOperationException($"the ageing interval is {AgeingInterval}: 1 ms to 1 day");
        }

        for (var level = 0; level < Scheduler.Levels; level += 8)
        {
            var bound = BoundOf(level);
            if (bound < TimeSpan.Zero || bound > TimeSpan.FromDays(20))
            {
                throw new InvalidOperationException($"the ageing bound of class {ClassOf(level)} is {bound}: 0 (never) to 20 days");
            }
        }
    }
}
