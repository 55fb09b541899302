using System.Security.Cryptography;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
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
    private readonly CompletionThread _completion;
    private readonly Supervisor _supervisor;
    private readonly ImageCatalog _images;
    private readonly TaskService _service;
    private readonly Watchdog _watchdog;
    private readonly Shard _shard;

    /// <param name="options">Validated bounds.</param>
    /// <param name="log">Told what an operator should know.</param>
    /// <param name="onDefect">Called when one of the runtime's threads met a defect: the process should end (its keeper starts
    /// it again), because tasks are no longer served.</param>
    public NodeRuntime(RuntimeOptions options, ISupervisorLog log, Action<Exception> onDefect)
    {
        ArgumentNullException.ThrowIfNull(options);
        var time = TimeProvider.System; // the dispatch path reads its Stopwatch directly
        var maxTasks = options.MaxQueuedTasks + options.RetainTasks + 65536;
        var table = new TaskTable(new TaskTableOptions(maxTasks, (uint)RandomNumberGenerator.GetInt32(1 << 24)), time);
        var lifecycle = new TaskLifecycle(table, new RetentionOptions(options.RetainTasks, TimeSpan.FromMinutes(options.RetainMinutes), options.RetainBytes), time);
        var admission = new AdmissionGate(new AdmissionOptions(options.MaxQueuedTasks, options.MaxQueuedBytes, options.MaxPayloadBytes));
        var scheduler = new Scheduler(new SchedulerOptions(maxTasks), time, RandomNumberGenerator.GetInt32(int.MaxValue));
        var shard = new Shard(options, table, lifecycle, admission, scheduler, new Inbox(maxTasks));
        var workers = new WorkerTable();
        _completion = new CompletionThread(shard, table, lifecycle, workers, options, onDefect);
        Incidents = new IncidentLog(time);
        _supervisor = new Supervisor(shard, _completion, lifecycle, workers, options, Incidents, log, onDefect);
        shard.Completion = _completion;
        shard.Supervisor = _supervisor;
        _completion.Supervisor = _supervisor;
        _images = new ImageCatalog(_supervisor, options);
        var report = new NodeReport(options, time, lifecycle, shard, _completion, _supervisor, Incidents);
        _service = new TaskService(options, table, lifecycle, admission, shard, _completion, _images, report);
        _shard = shard;
        var pools = () => _service.Pools;
        Monitor = new NodeMonitor(table, lifecycle, workers, shard, Incidents, pools);
        Metrics = new RuntimeMetrics(lifecycle, admission, _service, shard, _completion, _supervisor, Incidents, pools);
        _watchdog = new Watchdog(shard, _completion, _supervisor, pools, options, Incidents, log);
    }

    public ITaskService Tasks => _service;

    public INodeMonitor Monitor { get; }

    public IMetricSource Metrics { get; }

    /// <summary>What went wrong and was seen to; others in the process may add to it.</summary>
    public IncidentLog Incidents { get; }

    /// <summary>For tests: works only where the program's configuration allows faults.</summary>
    internal Faults Faults => _shard.Faults;

    /// <summary>The spawner answered: tasks can be run.</summary>
    public bool IsReady => _supervisor.IsReady;

    public void Start()
    {
        _completion.Start();
        _supervisor.Start();
        _watchdog.Start();
    }

    /// <summary>Takes the socket of a freshly started spawner; ownership passes. Thread-safe.</summary>
    public void AttachSpawner(int descriptor) => _supervisor.AttachSpawner(PacketSocket.FromDescriptor(descriptor));

    /// <summary>Refuses new tasks and ends all others with cause <c>shutdown</c>; returns when that was told.</summary>
    public void Stop()
    {
        _service.StopAdmission();
        _watchdog.Stop();

        // The supervisor first: it writes the streams of commands, which observers are about to read.
        _supervisor.Stop();
        _completion.Post(new CompletionCommand(CompletionCommandKind.Shutdown));
        _completion.Stop();
    }

    public void Dispose()
    {
        _watchdog.Dispose();
        _supervisor.Dispose();
        _completion.Dispose();
        _images.Dispose();
    }
}
