using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Admission;

/// <summary>What a tenant is called and what it may have. Immutable.</summary>
/// <param name="Id">0 to 32,767: what tokens and sessions carry.</param>
/// <param name="Name">For people: [A-Za-z0-9._-]{1,63}.</param>
public sealed record TenantPolicy(int Id, string Name)
{
    public const int MaxId = 32_767;

    /// <summary>Its part of the node's slots, and the tasks that it may have running; more wait.</summary>
    public TenantShare Share { get; init; } = TenantShare.Default;

    /// <summary>Tasks between admission and dispatch; 0: no bound of its own.</summary>
    public int MaxQueued { get; init; }

    /// <summary>Bytes of their inputs together; 0: no bound of its own.</summary>
    public long MaxQueuedBytes { get; init; }

    /// <summary>The highest class that it may ask for; never system, which is the runtime's own.</summary>
    public TaskClass HighestClass { get; init; } = TaskClass.Urgent;

    /// <summary>Destinations that its tasks may be granted, beside what their profile says; null: no bound of its own. Empty: none.</summary>
    public IReadOnlyList<Destination>? Connect { get; init; }

    /// <summary>Users of the unix socket who are this tenant.</summary>
    public IReadOnlyList<uint> Users { get; init; } = [];

    /// <summary>The highest level of <see cref="HighestClass"/>.</summary>
    public int HighestLevel => Enumerable.Range(0, Scheduler.Levels).Last(l => SchedulerOptions.ClassOf(l) == HighestClass);
}
