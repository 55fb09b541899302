using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>What <c>worker.list</c> answers for each.</summary>
/// <param name="State">starting, idle, busy or leaving.</param>
public sealed record WorkerInfo(
    long Worker, int ProcessId, string Image, string Profile, WorkerReuse Reuse, string State, int InFlight, long Calls, TimeSpan Age, TimeSpan Idle)
{
    /// <summary>What its group used when it was looked at last; 0: not measured.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Processor time since it started, in microseconds; 0: not measured.</summary>
    public long CpuMicroseconds { get; init; }
}

/// <summary>What <c>pool.list</c> answers for each.</summary>
/// <param name="Kind">call or command.</param>
/// <param name="State">Of its image: opening, ready, lost or failed.</param>
public sealed record PoolInfo(
    string Image, string Kind, string Profile, WorkerReuse Reuse, string State, int Queued, int FreeSlots, int Workers, int Busy, int Starting, int MaxWorkers)
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

/// <summary>What <c>tenant.list</c> answers for each.</summary>
/// <param name="MaxRunning">0: no bound of its own, as of the others.</param>
/// <param name="Finished">Tasks that had a slot of the node and gave it back.</param>
/// <param name="SlotMicroseconds">How long they had it together.</param>
/// <param name="Refused">Submissions that a bound of its own, or its highest class, refused.</param>
public sealed record TenantInfo(
    string Name, int Id, int Weight, int MaxRunning, int MaxQueued, long MaxQueuedBytes, TaskClass HighestClass, int Running, int Queued, long Finished,
    long SlotMicroseconds, long Refused);

/// <summary>What <c>node.scan</c> answers.</summary>
public sealed record ScanInfo(int Workers, int Processes, int Untold, IReadOnlyList<FindingInfo> Findings);

/// <param name="Severity">warning or critical.</param>
public sealed record FindingInfo(string Severity, string Where, string What, string Remedy);

/// <summary>What <c>node.incidents</c> answers for each.</summary>
public sealed record IncidentInfo(string Kind, DateTimeOffset At, string Pool, string Reason, TimeSpan Duration);

/// <summary>What <c>task.list</c> answers.</summary>
/// <param name="Tasks">Those that have been in their state longest first.</param>
/// <param name="Next">The cursor of the next page; null: that was all.</param>
public sealed record TaskInfoPage(IReadOnlyList<TaskInfo> Tasks, string? Next);

/// <summary>What <c>task.explain</c> answers.</summary>
/// <param name="Text">One paragraph.</param>
public sealed record TaskReason(TaskId Id, TaskState State, string Text);
