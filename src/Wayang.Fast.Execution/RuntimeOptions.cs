using System.Collections.ObjectModel;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Limits;

namespace Wayang.Fast.Execution;

/// <summary>
/// The bounds of a node's runtime. Immutable; the ranges are checked once, where the configuration is read. A value that
/// is not given keeps the default below.
/// </summary>
public sealed record RuntimeOptions
{
    /// <summary>What the node is called among others.</summary>
    public string NodeName { get; init; } = Environment.MachineName;

    /// <summary>Workers of one pool (image, profile, tenant) at most. Twice the processors: a blocked worker leaves its core free.</summary>
    public int MaxWorkersPerPool { get; init; } = Math.Max(4, Environment.ProcessorCount * 2);

    /// <summary>Tasks that run at once over all pools; 0: no bound beside those of the pools.</summary>
    public int MaxConcurrentTasks { get; init; }

    /// <summary>Memory of one worker or command; 0: what its profile says, which is never exceeded.</summary>
    public long WorkerMemoryBytes { get; init; }

    /// <summary>Memory that may be set aside for all commands together; 0: four fifths of what the machine has.</summary>
    public long NodeMemoryBytes { get; init; }

    /// <summary>Of the peak memory of earlier commands of a type: what is set aside for the next; 0: what is declared, always.</summary>
    public int PredictionQuantilePercent { get; init; } = 95;

    /// <summary>Commands of a type that must have ended before its figures count.</summary>
    public int PredictionMinSamples { get; init; } = 20;

    /// <summary>Results of pure tasks that are kept for each tenant, in bytes; 0: none.</summary>
    public long ResultCacheBytes { get; init; } = 64L << 20;

    /// <summary>What each profile of the policy allows a worker; the spawner refuses more.</summary>
    public IReadOnlyDictionary<string, long> ProfileMemoryBytes { get; init; } = ReadOnlyDictionary<string, long>.Empty;

    /// <summary>Writable space of one worker or command; 0: its profile's. Lowered to the profile's and, where it lies in memory, to that.</summary>
    public long WorkerDiskBytes { get; init; }

    /// <summary>Memory that is left to one worker or command while the host can take other; 0: none is.</summary>
    public long WorkerReservedBytes { get; init; }

    /// <summary>The share of one worker or command beside others, in per cent of what its class gives; 0: 100.</summary>
    public int WorkerCpuWeight { get; init; }

    /// <summary>I/O of one worker or command on each disk, where it does not ask for less; 0: its profile's.</summary>
    public IoRates WorkerIo { get; init; }

    /// <summary>What becomes of a task that asks for a limit which this host cannot enforce.</summary>
    public UnenforcedLimits UnenforcedLimits { get; init; }

    /// <summary>Profiles that are tighter than one of the policy's, in an order in which each follows its base; defined when a spawner answers.</summary>
    public IReadOnlyList<DerivedProfile> Profiles { get; init; } = [];

    /// <summary>Idle workers that a pool in use keeps ready beyond the busy ones.</summary>
    public int SpareWorkers { get; init; } = 1;

    /// <summary>A worker ends when it was idle for this time and its pool wanted fewer all the while.</summary>
    public int WarmIdleSeconds { get; init; } = 60;

    /// <summary>A worker is replaced after so many calls; looked at once a second. 0: never.</summary>
    public int RecycleCalls { get; init; }

    /// <summary>A worker is replaced when it is so old. 0: never.</summary>
    public int RecycleAgeSeconds { get; init; }

    /// <summary>A worker is replaced when it uses more than this share of its memory limit, where that is measured. 0: never.</summary>
    public int RecycleMemoryPercent { get; init; }

    /// <summary>Workers are started for calls that are expected by the trend of the arrivals and by the hour.</summary>
    public bool WarmUp { get; init; } = true;

    /// <summary>Calls in flight in one worker at most. One: a call never waits behind another in the same worker.</summary>
    public int CallConcurrency { get; init; } = 1;

    /// <summary>Time from dispatch to the end for a task that names none.</summary>
    public uint DefaultTimeoutMs { get; init; } = 3_600_000;

    /// <summary>The longest timeout that a task may ask for.</summary>
    public uint MaxTimeoutMs { get; init; } = 7 * 24 * 3_600_000;

    public int MaxQueuedTasks { get; init; } = 1_000_000;

    /// <summary>Input payloads of all queued tasks together.</summary>
    public long MaxQueuedBytes { get; init; } = 1L << 30;

    /// <summary>One input or one output.</summary>
    public int MaxPayloadBytes { get; init; } = 64 << 20;

    /// <summary>Kept of each of a task's stdout and stderr; the rest is counted and dropped.</summary>
    public int MaxStreamBytes { get; init; } = 16 << 20;

    /// <summary>What one call may save for its next attempt; of workers that start from now on. 0: nothing.</summary>
    public int MaxStateBytes { get; init; } = 1 << 20;

    /// <summary>What all tasks may have saved together; a state that there is no room for is not kept.</summary>
    public long MaxStatesBytes { get; init; } = 256L << 20;

    /// <summary>How long a call of a task with migration cooperative has to save its state and to yield when its place is wanted.</summary>
    public int YieldMs { get; init; } = 10_000;

    /// <summary>Ended tasks kept in memory at most; the oldest are forgotten first.</summary>
    public int RetainTasks { get; init; } = 100_000;

    /// <summary>An ended task is forgotten after this time.</summary>
    public int RetainMinutes { get; init; } = 10;

    /// <summary>How long the completion thread and the workers look at their rings before they sleep. 0: never spin.</summary>
    public int SpinMicroseconds { get; init; }

    /// <summary>Pauses that a worker looks at its ring before it sleeps. 0: never spin; -1: never sleep (measurements).</summary>
    public int WorkerSpinPauses { get; init; }

    /// <summary>Memory that ended tasks may hold with their outputs.</summary>
    public long RetainBytes { get; init; } = 256L << 20;

    /// <summary>Images (distinct contents) that the node keeps at most.</summary>
    public int MaxImages { get; init; } = 256;

    /// <summary>How long work that could run may stand still before the watchdog sets it going again. 0: no watchdog.</summary>
    public int StallMs { get; init; } = 5_000;

    /// <summary>A worker that has calls, shows no sign of life for so long, and cannot go on by itself is ended. 0: never.</summary>
    public int HeartbeatTimeoutMs { get; init; } = 15_000;

    /// <summary>Each running worker is compared with its profile so often. 0: only when somebody asks.</summary>
    public int ScanIntervalSeconds { get; init; } = 300;

    /// <summary>Images of profile compute are opened so that their running calls can be written down and continued; of those that are opened from now on.</summary>
    public bool MigratesCompute { get; init; }

    /// <summary>A call of another node that nobody there has asked about for so long is ended; a node of which nothing was heard for twice that is counted as lost by who has a call there.</summary>
    public TimeSpan HandoverLease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Which calls go to peers with room by themselves.</summary>
    public AutomaticMigration AutomaticMigration { get; init; }

    /// <summary>How long they stand frozen first, or run beside tasks that wait.</summary>
    public TimeSpan AutomaticMoveAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A call that has moved so often stays where it is.</summary>
    public int MostAutomaticMoves { get; init; } = 2;

    /// <summary>Where running calls are written down, with the node's key beside; null: they cannot be.</summary>
    public string? CheckpointDirectory { get; init; }

    /// <summary>The CPU that the completion thread is bound to; -1: any (the default; measurements bind it).</summary>
    public int CompletionCpu { get; init; } = -1;

    /// <summary>Tenants with a policy of their own, each id and name once.</summary>
    public IReadOnlyList<TenantPolicy> Tenants { get; init; } = [];

    /// <summary>The policy of all others; its id and name stand for nothing.</summary>
    public TenantPolicy OtherTenants { get; init; } = new(0, "others");

    /// <summary>How long a task of each class waits before ageing lifts it one class up; see <see cref="SchedulerOptions"/>. Zero: never.</summary>
    public TimeSpan IdleAgeing { get; init; } = TimeSpan.FromMinutes(5);

    public TimeSpan BatchAgeing { get; init; } = TimeSpan.FromMinutes(1);

    public TimeSpan NormalAgeing { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan UrgentAgeing { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Who is frozen when a higher class finds no slot.</summary>
    public PreemptionPolicy Preemption { get; init; } = new();

    /// <summary>Tasks that say nothing of it are durable, where the node keeps a ledger.</summary>
    public bool DurableByDefault { get; init; }

    /// <summary>Of each of an ended durable task's stdout, stderr and log, so much is stored; its output always whole.</summary>
    public int LedgerStreamBytes { get; init; } = 1 << 20;

    /// <summary>Which tasks that are not durable have their ends told as events.</summary>
    public ToldTasks EventTasks { get; init; } = ToldTasks.Failed;

    /// <summary>Ends of tasks that are not durable, told as events in one second at most.</summary>
    public int EventsPerSecond { get; init; } = 1_000;

    /// <summary>Events in memory.</summary>
    public int EventBuffer { get; init; } = 16_384;

    /// <summary>How long an idempotency key is remembered after its submission.</summary>
    public int IdempotencyMinutes { get; init; } = 60;

    /// <summary>Idempotency keys that are remembered at most; more are refused.</summary>
    public int MaxIdempotencyKeys { get; init; } = 100_000;

    /// <summary>Groups at most; those without tasks make room.</summary>
    public int MaxGroups { get; init; } = 10_000;

    /// <summary>Children of one task that have not ended, at most.</summary>
    public int MaxChildren { get; init; } = 10_000;

    /// <summary>Tasks above a task, at most.</summary>
    public int MaxFamilyDepth { get; init; } = 16;

    /// <summary>What a worker under <paramref name="profile"/> is started with; 0: the profile's own limit, also where that is not known.</summary>
    public long WorkerMemory(string profile) =>
        WorkerMemoryBytes > 0 && ProfileMemoryBytes.TryGetValue(profile, out var most) ? Math.Min(WorkerMemoryBytes, most) : 0;
}
