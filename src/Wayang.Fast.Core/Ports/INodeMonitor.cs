using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What an operator sees of a node: its workers, its pools, its tasks, what went wrong. Cold: each call looks at everything;
/// thread-safe, blocks nobody. All values are momentary.
/// </summary>
public interface INodeMonitor
{
    /// <param name="limit">At most so many, the busy ones first.</param>
    IReadOnlyList<WorkerStatus> ListWorkers(int tenant, int limit);

    IReadOnlyList<PoolStatus> ListPools(int tenant);

    /// <param name="state">Only tasks in this state; None: all that have not ended.</param>
    /// <param name="limit">At most so many, those that have been in their state longest first.</param>
    IReadOnlyList<TaskSnapshot> ListTasks(int tenant, TaskState state, int limit) => ListTasks(tenant, state, limit, after: null).Tasks;

    /// <summary>The same, page by page: those behind a place. A task that changes its state moves back, never forward, unless it is queued again.</summary>
    TaskPage ListTasks(int tenant, TaskState state, int limit, TaskPlace? after);

    /// <param name="only">Only this one; null: all that are configured or had tasks.</param>
    IReadOnlyList<TenantStatus> ListTenants(int? only);

    /// <summary>Why a task waits, or was placed as it was; null when there is none of that tenant.</summary>
    TaskExplanation? Explain(TaskId id, int tenant);

    /// <param name="limit">At most so many, the newest first.</param>
    IReadOnlyList<Incident> ListIncidents(int limit);

    /// <summary>
    /// Compares each running worker with its profile, as the kernel shows it from outside; one that is something else is killed and its
    /// task ended with <c>sandbox_violation</c>. Blocks for the time of the scan. Null: the spawner does not answer now.
    /// </summary>
    ScanReport? Scan();

    /// <summary>Keeps what a caller of a scan found in files, which it may read and the node may not, as an incident.</summary>
    /// <param name="critical">Somebody has to look at it now.</param>
    void Report(string finding, bool critical);
}

/// <summary>Where a task stands in a list: since when it has been in its state, by the node's own clock, and which it is among those of the same moment.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct TaskPlace(long Since, TaskId Task);

/// <param name="Tasks">In their order.</param>
/// <param name="Last">The place behind which the list goes on; null: there was no more.</param>
public sealed record TaskPage(IReadOnlyList<TaskSnapshot> Tasks, TaskPlace? Last);

/// <param name="Text">One paragraph.</param>
public sealed record TaskExplanation(TaskId Id, TaskState State, string Text);

/// <summary>A call worker.</summary>
/// <param name="State">starting, idle, busy or leaving.</param>
/// <param name="Age">Since its start was asked for.</param>
/// <param name="Idle">Since when it has had nothing to do; zero while it has.</param>
public sealed record WorkerStatus(
    long Worker, int ProcessId, string Image, string Profile, WorkerReuse Reuse, string State, int InFlight, long Calls, TimeSpan Age, TimeSpan Idle)
{
    /// <summary>What its group used when it was looked at last; 0: not measured.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Processor time since it started, in microseconds; 0: not measured.</summary>
    public long CpuMicroseconds { get; init; }
}

/// <summary>What a tenant may have and what it has used since the start.</summary>
/// <param name="Running">Tasks that have a slot.</param>
/// <param name="Queued">Tasks that wait.</param>
/// <param name="QueuedBytes">Bytes of their inputs; null where it has no quota of the queue, which alone counts them.</param>
/// <param name="Finished">Tasks that had a slot and gave it back.</param>
/// <param name="SlotTime">How long they had it together.</param>
/// <param name="Refused">Submissions that its own bounds or class refused.</param>
public sealed record TenantStatus(TenantPolicy Policy, int Running, int Queued, long? QueuedBytes, long Finished, TimeSpan SlotTime, long Refused);

/// <summary>The workers of one image, profile, tenant and reuse; for commands, how many may run at once.</summary>
public sealed record PoolStatus(
    string Image, string Kind, string Profile, int Tenant, WorkerReuse Reuse, string State, int Queued, int FreeSlots, int Workers, int Busy,
    int Starting, int MaxWorkers)
{
    /// <summary>Workers that it should have, by what it did and is expected to do; those that there are come and go towards it.</summary>
    public int Wanted { get; init; }

    public int Idle { get; init; }

    /// <summary>Workers that were replaced though they worked (workers.recycle_*).</summary>
    public long Recycled { get; init; }

    /// <summary>Workers that were started before their calls came, and those of them that then had one, or left without.</summary>
    public long Warmed { get; init; }

    public long WarmedUsed { get; init; }

    public long WarmedUnused { get; init; }
}
