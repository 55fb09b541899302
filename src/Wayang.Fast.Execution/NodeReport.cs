using System.Reflection;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution;

/// <summary>What the node tells about itself: <c>node.info</c> and <c>node.stats</c>. Cold; thread-safe.</summary>
internal sealed class NodeReport(LiveOptions settings, TimeProvider time, TaskLifecycle lifecycle, Shard shard, CompletionThread completion, Supervisor supervisor)
{
    private readonly DateTimeOffset _started = time.GetUtcNow();

    /// <summary>Of the spawner that answered last; empty before the first did.</summary>
    public IReadOnlyList<ProfileDescription> Profiles => supervisor.Welcome?.Profiles ?? [];

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
            Environment.MachineName,
            typeof(NodeReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0",
            _started,
            features.HasFlag(SpawnerFeatures.Root),
            mode,
            [.. Enum.GetValues<SpawnerFeatures>().Where(f => f != SpawnerFeatures.None && features.HasFlag(f)).Select(f => f.ToString())],
            welcome?.Note ?? string.Empty,
            new Dictionary<string, long>(StringComparer.Ordinal)
            {
                ["max_workers_per_pool"] = options.MaxWorkersPerPool,
                ["max_concurrent_tasks"] = options.MaxConcurrentTasks,
                ["worker_memory_bytes"] = options.WorkerMemoryBytes,
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

    public NodeStatistics Read()
    {
        var values = new Dictionary<string, long>(StringComparer.Ordinal)
        {
            ["tasks_queued"] = shard.Queued,
            ["slots_in_use"] = shard.Outstanding,
            ["configuration_reloads"] = settings.Changes,
            ["tasks_dispatched"] = shard.Dispatched,
            ["tasks_retained"] = lifecycle.Retained,
            ["retained_bytes"] = lifecycle.RetainedBytes,
            ["workers_started"] = supervisor.WorkersStarted,
            ["commands_running"] = supervisor.RunningCommands,
            ["spawners_lost"] = supervisor.SpawnersLost,
            ["completion_wakeups"] = completion.Wakeups,
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
        return new NodeStatistics(values);
    }
}
