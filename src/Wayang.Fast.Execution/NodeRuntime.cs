using System.Security.Cryptography;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Draining;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution;

/// <summary>
/// The runtime of a node, composed: task table, scheduler, shard, completion thread, supervisor. One per process. It needs
/// a spawner: give it the socket of one with <see cref="AttachSpawner"/>, again after each restart of the spawner.
/// </summary>
public sealed class NodeRuntime : IDisposable
{
    // Beside what retention may keep: inputs that wait and outputs under way. More than that is the collector's.
    private const long SlabBytesUnderWay = 64L << 20;

    // Beside what retention may keep: tasks that wait or run. Who remembers millions gets the others as they are needed.
    private const int RecordsUnderWay = 4096;
    private const int MostPrepared = 200_000;

    private const int MaxTaskTypes = 4096;
    private const int MaxRhythms = 4096;

    private readonly CompletionThread _completion;
    private readonly Supervisor _supervisor;
    private readonly ImageCatalog _images;
    private readonly TaskService _service;
    private readonly Watchdog _watchdog;
    private readonly LiveOptions _options;
    private readonly TenantDirectory _tenants;
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly AdmissionGate _admission;
    private readonly Shard _shard;
    private readonly TaskTypes _types;
    private readonly DurableRestore? _restore;
    private readonly VisitBook _visits;
    private readonly ISupervisorLog _log;
    private readonly HourRhythms _rhythms = new(MaxRhythms);

    /// <param name="options">Validated bounds.</param>
    /// <param name="log">Told what an operator should know.</param>
    /// <param name="ledger">Where durable tasks are stored; null: there are none. Stays the caller's, who closes it after <see cref="Stop"/>.</param>
    /// <param name="onDefect">Called when one of the runtime's threads met a defect: the process should end (its keeper starts
    /// it again), because tasks are no longer served.</param>
    public NodeRuntime(RuntimeOptions options, ISupervisorLog log, Action<Exception> onDefect, ITaskLedger? ledger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _log = log;
        var time = TimeProvider.System; // the dispatch path reads its Stopwatch directly
        var maxTasks = options.MaxQueuedTasks + options.RetainTasks + 65536;
        var table = _table = new TaskTable(
            new TaskTableOptions(maxTasks, (uint)RandomNumberGenerator.GetInt32(1 << 24)) { MaxSlabBytes = options.RetainBytes + SlabBytesUnderWay }, time);
        _options = new LiveOptions(options);
        _tenants = new TenantDirectory(_options);
        _tenants.Apply();
        _lifecycle = new TaskLifecycle(table, RetentionOf(options), time);
        _lifecycle.Results = new ResultCache(options.ResultCacheBytes);
        _admission = new AdmissionGate(AdmissionOf(options));
        var scheduler = new Scheduler(SchedulingOf(options, maxTasks + TaskLifecycle.MaxMoves), time, RandomNumberGenerator.GetInt32(int.MaxValue));
        _shard = new Shard(_options, _tenants, table, _lifecycle, _admission, scheduler, new Inbox(maxTasks));
        var workers = Workers;
        var groups = new TaskGroups(options.MaxGroups, TimeSpan.FromMinutes(options.RetainMinutes), time);
        var life = new LifeExecutor(_shard, table, _lifecycle, groups, _options);
        _completion = new CompletionThread(_shard, table, _lifecycle, workers, _options, life, onDefect);
        Events = new EventDesk(options.EventBuffer, ledger, time);
        Apply(options);
        _lifecycle.Events = new TaskEvents(Events);
        Incidents = new IncidentLog(time) { OnAdded = Events.Post };
        _supervisor = new Supervisor(_shard, _completion, _lifecycle, workers, _options, Incidents, log, onDefect);
        _shard.Completion = _completion;
        _shard.Memory = new MemoryPlan(_options, () => Faults.Hit(FaultPoint.MemoryPressed) ? 1 : NodePressure.ReadMemoryShare());
        _shard.Memory.Look();
        _supervisor.Memory = _shard.Memory;
        _supervisor.Checkpoints = options.CheckpointDirectory is { } directory ? new CheckpointStore(directory) : null;
        _supervisor.CheckpointReport = new CheckpointReport(Events);
        _shard.Supervisor = _supervisor;
        _completion.Supervisor = _supervisor;
        var timers = new LifeTimers(table) { Supervisor = _supervisor };
        _supervisor.Timers = timers;
        _lifecycle.AttemptTimer = timers;
        _lifecycle.Admission = _admission;
        _lifecycle.LifeEnded = life.OnEnded;
        (life.Supervisor, life.Completion, life.Timers) = (_supervisor, _completion, timers);
        var keys = new SubmissionKeys(new SubmissionKeyOptions(TimeSpan.FromMinutes(options.IdempotencyMinutes), options.MaxIdempotencyKeys), time);
        var lives = new LifeService(_options, _tenants, table, _lifecycle, _completion, timers, groups, keys);
        Life = lives;
        _images = new ImageCatalog(_supervisor, options);
        var report = new NodeReport(_options, time, _lifecycle, _shard, _completion, _supervisor, Incidents, lives);
        _types = new TaskTypes(MaxTaskTypes);
        _service = new TaskService(_options, _tenants, table, _lifecycle, _admission, _shard, _completion, _images, report, lives, _types, _rhythms);
        if (ledger is not null)
        {
            var durable = new DurableTasks(ledger, _options, _lifecycle, _completion, _images, keys);
            _lifecycle.Durability = durable;
            _service.Durable = durable;
            report.Ledger = ledger;
            _restore = new DurableRestore(durable, _service, _lifecycle, _completion, _images, keys, _supervisor.Checkpoints, _options, log);
        }

        var standbys = _shard.Standbys = new Standbys(_supervisor);
        Visits = _visits = new VisitBook(_service, _tenants, table, _lifecycle, lives, _completion, _supervisor.Checkpoints, standbys, _options);
        Departures = new HomeCalls(table, _lifecycle, lives, _tenants, _options, _supervisor.Checkpoints, standbys, _supervisor.Workers);
        Drainable = new DrainableNode(table, _lifecycle, _shard, _service, _visits);
        var pools = () => _service.Pools;
        var explainer = new TaskExplainer(_lifecycle, workers, _shard, _shard.Memory, _options, _supervisor);
        Monitor = new NodeMonitor(_tenants, table, _lifecycle, workers, _shard, Incidents, pools, _supervisor.Scan, explainer);
        Metrics = new RuntimeMetrics(_tenants, _lifecycle, _admission, _service, _shard, _completion, _supervisor, Incidents, pools, lives, Events);
        _watchdog = new Watchdog(_shard, _completion, _supervisor, pools, options, Incidents, log);
        if (options.MaxConcurrentTasks != 0 || options.Tenants.Count > 0)
        {
            _shard.Post(new ShardEvent(ShardEventKind.Reconfigured));
        }
    }

    public ITaskService Tasks => _service;

    /// <summary>The tenant that the configuration gives a user of the unix socket; null: none. Any thread.</summary>
    public int? TenantOfUser(uint user) => _tenants.OfUser(user);

    /// <summary>Pauses, updates, groups.</summary>
    public ITaskLife Life { get; }

    /// <summary>Its own calls, as their hand-overs to other nodes see them.</summary>
    public IHandoverHome Departures { get; }

    /// <summary>Other nodes' calls that go on here.</summary>
    public IHandoverHost Visits { get; }

    /// <summary>Its tasks, as those see them who let them end or go elsewhere.</summary>
    public IDrainable Drainable { get; }

    public INodeMonitor Monitor { get; }

    public IMetricSource Metrics { get; }

    /// <summary>What went wrong and was seen to; others in the process may add to it.</summary>
    public IncidentLog Incidents { get; }

    /// <summary>Tasks that were dispatched so far. Any thread.</summary>
    public long Dispatched => _shard.Dispatched;

    /// <summary>Tasks that wait. Any thread.</summary>
    public long Queued => _shard.Queued;

    /// <summary>Bytes of pinned memory for payloads that was ever made: no garbage of the young generations. Any thread.</summary>
    public long SlabBytesMade => _lifecycle.SlabBytesMade;

    /// <summary>How busy it is now; without slots while it is drained, so that peers send it nothing. Any thread.</summary>
    public NodeLoad Load => new(_shard.Outstanding, _shard.Queued, _service.RefusesWork ? 0 : _options.Current.MaxConcurrentTasks is > 0 and var most ? most : Environment.ProcessorCount);

    /// <summary>What happens here, in order; others in the process may add to it.</summary>
    public EventDesk Events { get; }

    /// <summary>What was learned of tasks so far, for <see cref="RestoreLearned"/> of a later start.</summary>
    public byte[] SerializeLearned() => _types.Serialize();

    /// <returns>Null, or what is wrong with the bytes: then nothing was taken.</returns>
    public string? RestoreLearned(ReadOnlySpan<byte> bytes) => _types.Restore(bytes);

    /// <summary>What was learned of the hours of its pools so far, for <see cref="RestoreRhythms"/> of a later start.</summary>
    public byte[] SerializeRhythms() => _rhythms.Serialize();

    /// <returns>Null, or what is wrong with the bytes: then nothing was taken.</returns>
    public string? RestoreRhythms(ReadOnlySpan<byte> bytes) => _rhythms.Restore(bytes);

    /// <summary>Takes up the durable tasks of earlier starts: held, but known; files of tasks that are no more go. After <see cref="Start"/>, before any door opens.</summary>
    public void RestoreTasks()
    {
        var files = _restore?.Load();
        if (_supervisor.Checkpoints?.Sweep(files) is { } problem)
        {
            _log.Warn($"checkpoints of earlier starts are left as they are: {problem}");
        }
    }

    /// <summary>Lets them go on, as what they run is there; over when all do. After the spawner answered.</summary>
    public Task ResumeTasksAsync(CancellationToken stop) => _restore?.ResumeAsync(stop) ?? Task.CompletedTask;

    /// <summary>For tests: works only where the program's configuration allows faults.</summary>
    internal Faults Faults => _shard.Faults;

    /// <summary>For tests.</summary>
    internal WorkerTable Workers { get; } = new();

    /// <summary>The spawner answered: tasks can be run.</summary>
    public bool IsReady => _supervisor.IsReady;

    /// <summary>
    /// For a node that lives long, before its first task: makes the records that retention will come to hold, so that the collector meets none
    /// of them young while tasks run. Under a kilobyte each. And the slabs that their payloads will come to stand in, which cost address space until then.
    /// </summary>
    public void Prepare()
    {
        _table.Prepare(Math.Min(_options.Current.RetainTasks, MostPrepared) + RecordsUnderWay);
        _table.Slabs.Prepare(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 32, new HostPages());
    }

    public void Start()
    {
        Events.Post(EventTypes.NodeStarted, EventSeverity.Info, EventData.Nothing);
        _completion.Start();
        _supervisor.Start();
        _watchdog.Start();
    }

    /// <summary>Takes the socket of a freshly started spawner; ownership passes. Thread-safe.</summary>
    public void AttachSpawner(int descriptor) => _supervisor.AttachSpawner(PacketSocket.FromDescriptor(descriptor));

    /// <summary>The options in force.</summary>
    public RuntimeOptions Options => _options.Current;

    /// <summary>
    /// Replaces the options at once, as far as a running node can: what was sized at the start keeps its size
    /// (<see cref="LiveOptions.Within"/>). Tasks that are admitted keep what they were promised. One caller at a time.
    /// </summary>
    /// <returns>The options that are now in force.</returns>
    public RuntimeOptions Reconfigure(RuntimeOptions options)
    {
        var applied = _options.Replace(options);
        _admission.Change(AdmissionOf(applied));
        _tenants.Apply();
        _lifecycle.Results.Change(applied.ResultCacheBytes);
        _shard.Memory.Look();
        Apply(applied);
        _lifecycle.ChangeRetention(RetentionOf(applied));
        _shard.Post(new ShardEvent(ShardEventKind.Reconfigured));
        return applied;
    }

    /// <summary>
    /// Before <see cref="Stop"/>: durable tasks with migration cooperative save their states and yield, to go on after the next start; those of other nodes, to go on at home. Those that do not answer are left to it.
    /// </summary>
    public async Task YieldDurableAsync(TimeSpan patience)
    {
        var visits = _visits.SendSavedHomeAsync();
        var asked = _table.Records()
            .Where(static r => r is { State: TaskState.Running or TaskState.Frozen, Terms.Migration: TaskMigration.Cooperative, Life.IsDurable: true })
            .Select(r => Life.CheckpointAsync(r.Id, r.Tenant)).ToArray();
        await Task.WhenAny(Task.WhenAll([visits, .. asked]), Task.Delay(patience)).ConfigureAwait(false);
    }

    /// <summary>Refuses new tasks and ends all others with cause <c>shutdown</c>; returns when that was told.</summary>
    public void Stop()
    {
        Events.Post(EventTypes.NodeStopping, EventSeverity.Info, EventData.Nothing);
        _service.StopAdmission();
        _watchdog.Stop();

        // The supervisor first: it writes the streams of commands, which observers are about to read.
        _supervisor.Stop();
        _completion.Post(new CompletionCommand(CompletionCommandKind.Shutdown));
        _completion.Stop();
        Events.Stop();
    }

    private void Apply(RuntimeOptions options) => (Events.Tasks, Events.MostEndsPerSecond) = (options.EventTasks, options.EventsPerSecond);

    private static AdmissionOptions AdmissionOf(RuntimeOptions options) =>
        new(options.MaxQueuedTasks, options.MaxQueuedBytes, options.MaxPayloadBytes);

    private static SchedulerOptions SchedulingOf(RuntimeOptions options, int maxTasks) => new(maxTasks)
    {
        IdleBound = options.IdleAgeing, BatchBound = options.BatchAgeing, NormalBound = options.NormalAgeing, UrgentBound = options.UrgentAgeing,
    };

    private static RetentionOptions RetentionOf(RuntimeOptions options) =>
        new(options.RetainTasks, TimeSpan.FromMinutes(options.RetainMinutes), options.RetainBytes);

    public void Dispose()
    {
        _visits.Dispose();
        _watchdog.Dispose();
        _supervisor.Dispose();
        _completion.Dispose();
        _images.Dispose();
        _supervisor.Checkpoints?.Dispose();
        Events.Dispose();
    }
}
