using System.Reflection;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Preemption;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <summary>What the node tells about itself: <c>node.info</c> and <c>node.stats</c>. Cold; thread-safe.</summary>
internal sealed class NodeReport(
    LiveOptions settings, TimeProvider time, TaskLifecycle lifecycle, Shard shard, CompletionThread completion, Supervisor supervisor, IncidentLog incidents, LifeService life)
{
    /// <summary>How writable space is bounded where no room can be made on the disk, and wherever little is asked for.</summary>
    private const string DiskLimit = "DiskTmpfs";

    private const string LedgerFeature = "Ledger";

    /// <summary>Set once by the composition; null: the node keeps none.</summary>
    public ITaskLedger? Ledger { get; set; }

    private readonly DateTimeOffset _started = time.GetUtcNow();
    private readonly long _startedAt = time.GetTimestamp();

    /// <summary>Of the spawner that answered last; empty before the first did.</summary>
    public IReadOnlyList<ProfileDescription> Profiles => supervisor.Welcome?.Profiles ?? [];

    /// <summary>Of the spawner that answered last; null before the first did.</summary>
    public Welcome? Welcome => supervisor.Welcome;

    public NodeDescription Describe()
    {
        var welcome = supervisor.Welcome;
        var options = settings.Current;
        var features = welcome?.Features ?? SpawnerFeatures.None;
        var mode = (features & (SpawnerFeatures.CgroupV1 | SpawnerFeatures.CgroupV2)) switch
        {
            SpawnerFeatures.CgroupV1 => "v1",
            SpawnerFeatures.CgroupV2 => "v2",
            SpawnerFeatures.None => "none",
            _ => "hybrid",
        };
        return new NodeDescription(
            options.NodeName,
            typeof(NodeReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0",
            _started,
            features.HasFlag(SpawnerFeatures.Root),
            mode,
            [.. Enum.GetValues<SpawnerFeatures>().Where(f => f != SpawnerFeatures.None && features.HasFlag(f)).Select(f => f.ToString()), .. welcome is null ? (string[])[] : [DiskLimit], .. Ledger is null ? (string[])[] : [LedgerFeature]],
            NoteOf(welcome),
            new Dictionary<string, long>(StringComparer.Ordinal)
            {
                ["max_workers_per_pool"] = options.MaxWorkersPerPool,
                ["max_concurrent_tasks"] = options.MaxConcurrentTasks,
                ["worker_memory_bytes"] = options.WorkerMemoryBytes,
                ["worker_disk_bytes"] = options.WorkerDiskBytes,
                ["worker_reserved_bytes"] = options.WorkerReservedBytes,
                ["worker_cpu_weight"] = options.WorkerCpuWeight,
                ["worker_io_read_bytes_per_s"] = options.WorkerIo.ReadBytes,
                ["worker_io_write_bytes_per_s"] = options.WorkerIo.WriteBytes,
                ["worker_io_read_ops_per_s"] = options.WorkerIo.ReadOps,
                ["worker_io_write_ops_per_s"] = options.WorkerIo.WriteOps,
                ["max_queued_tasks"] = options.MaxQueuedTasks,
                ["max_queued_bytes"] = options.MaxQueuedBytes,
                ["max_payload_bytes"] = options.MaxPayloadBytes,
                ["max_stream_bytes"] = options.MaxStreamBytes,
                ["max_timeout_ms"] = options.MaxTimeoutMs,
                ["default_timeout_ms"] = options.DefaultTimeoutMs,
                ["retain_tasks"] = options.RetainTasks,
                ["retain_minutes"] = options.RetainMinutes,
            })
        {
            Profiles = Profiles,
        };
    }

    private string NoteOf(Welcome? welcome)
    {
        var note = welcome?.Note ?? string.Empty;
        return Ledger?.Status.Problem is not { } problem ? note : $"{note}{(note.Length > 0 ? "; " : string.Empty)}durable tasks are refused: {problem}";
    }

    private void AddLedger(Dictionary<string, long> values)
    {
        if (Ledger?.Status is { } status)
        {
            values["ledger_available"] = status.Problem is null ? 1 : 0;
            values["ledger_waiting"] = status.Waiting;
            values["ledger_commits"] = status.Commits;
            values["ledger_writes"] = status.Stored;
            values["ledger_failures"] = status.Failures;
        }
    }

    /// <summary>Depth and quantiles of each class; those of classes that nothing was dispatched in are left out.</summary>
    private void AddClasses(Dictionary<string, long> values)
    {
        var microseconds = lifecycle.Times.SecondsPerTick * 1e6;
        foreach (var (taskClass, queued) in RuntimeMetrics.QueuedByClass(shard))
        {
            var name = WireNames.Text(taskClass);
            values[$"queued_{name}"] = queued;
            foreach (var span in Enum.GetValues<TaskSpan>())
            {
                var times = lifecycle.Times.Of(taskClass, span);
                if (times.Max == 0)
                {
                    continue;
                }

                var prefix = $"{WireNames.Text(span)}_{name}";
                values[$"{prefix}_p50_us"] = (long)(times.Quantile(0.5) * microseconds);
                values[$"{prefix}_p99_us"] = (long)(times.Quantile(0.99) * microseconds);
                values[$"{prefix}_p999_us"] = (long)(times.Quantile(0.999) * microseconds);
                values[$"{prefix}_max_us"] = (long)(times.Max * microseconds);
            }
        }
    }

    private void AddPools(Dictionary<string, long> values)
    {
        values["supervisor_turns"] = supervisor.Beats;
        values["stream_reads"] = supervisor.StreamReads;
        supervisor.CheckpointReport.Add(values);
        values["restarts"] = lifecycle.Restarts;
        values["states_saved"] = lifecycle.Saves;
        values["yields"] = lifecycle.Yields;
        values["states_refused"] = lifecycle.States.Refused;
        values["states_bytes"] = lifecycle.States.Bytes;
        values["begun_from_state"] = shard.BegunFromState;
        values["memory_pressed"] = shard.Memory.IsPressed ? 1 : 0;
        foreach (var reason in Enum.GetValues<RecycleReason>().Where(static r => r != RecycleReason.None))
        {
            values[$"workers_recycled_{reason.ToString().ToLowerInvariant()}"] = shard.Recycled[(int)reason];
        }

        values["garbage_standing_bytes"] = Math.Max(0, GC.GetTotalMemory(forceFullCollection: false) - GC.GetGCMemoryInfo(GCKind.Any).HeapSizeBytes);
        values["garbage_made_bytes"] = GC.GetTotalAllocatedBytes() - lifecycle.SlabBytesMade;
    }

    public NodeStatistics Read()
    {
        var values = new Dictionary<string, long>(StringComparer.Ordinal)
        {
            ["tasks_queued"] = shard.Queued,
            ["slots_in_use"] = shard.Outstanding,
            ["configuration_reloads"] = settings.Changes,
            ["tasks_dispatched"] = shard.Dispatched,
            ["retries"] = lifecycle.Retries,
            ["tasks_awaiting_retry"] = lifecycle.AwaitingRetry,
            ["life_timers"] = life.Timers.Count,
            ["groups"] = life.Groups.Count,
            ["idempotency_keys"] = life.Keys.Count,
            ["idempotency_repeats"] = life.Keys.Repeats,
            ["idempotency_conflicts"] = life.Keys.Conflicts,
            ["queue_places_left"] = lifecycle.Moves,
            ["tasks_retained"] = lifecycle.Retained,
            ["retained_bytes"] = lifecycle.RetainedBytes,
            ["workers_started"] = supervisor.WorkersStarted,
            ["commands_running"] = supervisor.RunningCommands,
            ["spawners_lost"] = supervisor.SpawnersLost,
            ["completion_wakeups"] = completion.Wakeups,
            ["completion_turns"] = completion.Beats,
            ["stale_completions"] = completion.StaleCompletions,
            ["gc_gen2_collections"] = GC.CollectionCount(2),
            ["managed_bytes"] = GC.GetTotalMemory(forceFullCollection: false),
        };
        foreach (var state in Enum.GetValues<TaskState>().Where(s => s >= TaskState.Succeeded))
        {
            values[$"tasks_{state.ToString().ToLowerInvariant()}"] = lifecycle.Counters.Of(state);
        }

        foreach (var cause in Enum.GetValues<CauseType>().Where(c => c != CauseType.None))
        {
            values[$"ended_{cause.ToString().ToLowerInvariant()}"] = lifecycle.Counters.Of(cause);
        }

        var live = 0;
        foreach (var worker in supervisor.Workers.All())
        {
            live++;
            if (worker.ProcessId != 0 && live <= 64)
            {
                values[$"worker_pid_{live}"] = worker.ProcessId;
            }
        }

        values["workers_live"] = live;
        values["commands_memory_bytes"] = supervisor.CommandsMemoryBytes;
        values["workers_memory_bytes"] = supervisor.Workers.All().Sum(static w => w.MemoryBytes);
        foreach (var pressure in NodePressure.Read())
        {
            values[$"pressure_{pressure.Resource}_{pressure.Kind}_permille"] = (long)Math.Round(pressure.Share * 1000);
        }

        AddClasses(values);
        AddLedger(values);
        values["worker_start_failures"] = shard.StartFailures;
        AddPools(values);
        values["zygotes_lost"] = supervisor.ZygotesLost;
        PreemptionReport.Add(values, shard, supervisor);
        values["workers_rung_again"] = supervisor.WorkersRungAgain;
        values["scans"] = supervisor.ScansDone;
        values["uptime_s"] = (long)time.GetElapsedTime(_startedAt).TotalSeconds;
        values["gc_pause_total_us"] = (long)GC.GetTotalPauseDuration().TotalMicroseconds;
        foreach (var kind in Enum.GetValues<IncidentKind>())
        {
            values[$"incidents_{WireNames.Text(kind)}"] = incidents.CountOf(kind);
        }

        return new NodeStatistics(values);
    }
}
