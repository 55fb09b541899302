using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <summary>The port's implementation: looks at the tables from outside, without a lock of the threads that own them.</summary>
internal sealed class NodeMonitor(
    TenantDirectory tenants, TaskTable table, TaskLifecycle lifecycle, WorkerTable workers, Shard shard, IncidentLog incidents,
    Func<IReadOnlyList<WorkerPool>> pools, Func<TimeSpan, ScanReport?> scan, TaskExplainer explainer) : INodeMonitor
{
    /// <summary>A scan of the most workers that there can be takes about a second.</summary>
    private static readonly TimeSpan s_scanPatience = TimeSpan.FromSeconds(20);

    public TaskExplanation? Explain(TaskId id, int tenant) => explainer.Explain(id, tenant);

    public IReadOnlyList<WorkerStatus> ListWorkers(int tenant, int limit)
    {
        var now = Stopwatch.GetTimestamp();
        return
        [
            .. workers.All().Where(w => w.Pool.Key.Tenant == tenant).Select(w => Describe(w, now))
                .OrderByDescending(static w => w.InFlight).ThenByDescending(static w => w.Calls).Take(limit),
        ];
    }

    public IReadOnlyList<PoolStatus> ListPools(int tenant)
    {
        var states = workers.All().Where(w => w.Pool.Key.Tenant == tenant).GroupBy(static w => w.Pool)
            .ToDictionary(static g => g.Key, static g => g.CountBy(StateOf).ToDictionary(StringComparer.Ordinal));
        return [.. pools().Where(p => p.Key.Tenant == tenant && !p.Closed).Select(p => Describe(p, states.GetValueOrDefault(p)))];
    }

    public TaskPage ListTasks(int tenant, TaskState state, int limit, TaskPlace? after)
    {
        // The oldest first: a heap would do, but those that have not ended are few beside those that are remembered.
        var found = new List<TaskPlace>();
        foreach (var record in table.Records())
        {
            var at = record.State;
            var wanted = state == TaskState.None ? at is > TaskState.None and < TaskState.Succeeded : at == state;
            if (wanted && record.Tenant == tenant && new TaskPlace(Since(record, at), record.Id) is var place && (after is not { } last || Compare(place, last) > 0))
            {
                found.Add(place);
            }
        }

        found.Sort(Compare);
        var now = Stopwatch.GetTimestamp();
        var tasks = new List<TaskSnapshot>(Math.Min(limit, found.Count));
        for (var i = 0; i < found.Count; i++)
        {
            if (tasks.Count == limit)
            {
                return new TaskPage(tasks, found[i - 1]);
            }

            if (lifecycle.Snapshot(found[i].Task, tenant, TaskService.Names) is { } task)
            {
                tasks.Add(SoFar(task, Stopwatch.GetElapsedTime(found[i].Since, now)));
            }
        }

        return new TaskPage(tasks, Last: null);
    }

    private static int Compare(TaskPlace a, TaskPlace b) => a.Since.CompareTo(b.Since) is var order && order != 0 ? order : a.Task.CompareTo(b.Task);

    /// <summary>What is under way has a span that has not ended: it is told as long as it is now.</summary>
    private static TaskSnapshot SoFar(TaskSnapshot task, TimeSpan span)
    {
        var microseconds = (long)span.TotalMicroseconds;
        return task.State switch
        {
            TaskState.Queued => task with { QueueMicroseconds = microseconds },
            TaskState.Starting => task with { StartMicroseconds = microseconds },
            TaskState.Running or TaskState.Frozen => task with { RunMicroseconds = microseconds },
            _ => task,
        };
    }

    public IReadOnlyList<TenantStatus> ListTenants(int? only)
    {
        var queued = QueuedByTenant(shard, pools());
        return
        [
            .. (only is { } id ? [tenants.Of(id)] : tenants.All).OrderBy(static t => t.Id).Select(t => new TenantStatus(
                t.Policy, shard.RunningOf(t), queued.GetValueOrDefault(t), t.Gate?.QueuedBytes, t.Finished,
                TimeSpan.FromSeconds((double)t.SlotTicks / Stopwatch.Frequency), t.Refused)),
        ];
    }

    /// <summary>Tasks that wait in the pools, by whose they are.</summary>
    internal static Dictionary<Tenant, int> QueuedByTenant(Shard shard, IReadOnlyList<WorkerPool> pools)
    {
        var found = new Dictionary<Tenant, int>();
        foreach (var pool in pools.Where(static p => !p.Closed))
        {
            shard.TryPeek(pool, out var queued, out _);
            found[pool.Tenant] = found.GetValueOrDefault(pool.Tenant) + queued;
        }

        return found;
    }

    public IReadOnlyList<Incident> ListIncidents(int limit) => incidents.Last(limit);

    public ScanReport? Scan() => scan(s_scanPatience);

    public void Report(string finding, bool critical) => incidents.Add(IncidentKind.ScanFinding, string.Empty, finding, critical: critical);

    internal static string StateOf(CallWorker worker) => worker.Phase switch
    {
        WorkerPhase.Starting => "starting",
        WorkerPhase.Leaving or WorkerPhase.Detached => "leaving",
        _ when worker.IsFrozen => "frozen",
        _ => worker.IsIdle ? "idle" : "busy",
    };

    private static long Since(TaskRecord record, TaskState state) => state switch
    {
        TaskState.Queued => record.Submitted,
        TaskState.Starting => record.Started,
        >= TaskState.Succeeded => record.Ended,
        _ => record.Running,
    };

    private static WorkerStatus Describe(CallWorker worker, long now)
    {
        var key = worker.Pool.Key;
        var idle = worker.Phase == WorkerPhase.Serving && worker.IsIdle;
        return new WorkerStatus(
            (long)worker.Id, worker.ProcessId, key.Image, key.Profile, key.Reuse, StateOf(worker), Math.Max(0, worker.Concurrency - worker.FreeCount),
            worker.NextOrder, Stopwatch.GetElapsedTime(worker.StartRequested, now), idle ? Stopwatch.GetElapsedTime(worker.IdleSince, now) : TimeSpan.Zero)
        {
            MemoryBytes = worker.MemoryBytes,
            CpuMicroseconds = worker.CpuMicroseconds,
        };
    }

    private PoolStatus Describe(WorkerPool pool, Dictionary<string, int>? states)
    {
        shard.TryPeek(pool, out var queued, out var free);
        var busy = pool.IsCommand ? Math.Max(0, pool.MaxWorkers - free) : states?.GetValueOrDefault("busy") ?? 0;
        return new PoolStatus(
            pool.Key.Image, pool.IsCommand ? "command" : "call", pool.Key.Profile, pool.Key.Tenant, pool.Key.Reuse,
            pool.Image.State.ToString().ToLowerInvariant(), queued, free, pool.IsCommand ? busy : pool.Workers.Count, busy, pool.Starting, pool.MaxWorkers)
        {
            Wanted = pool.IsCommand ? busy : pool.Load.Wanted,
            Idle = states?.GetValueOrDefault("idle") ?? 0,
            Recycled = pool.Load.Recycled.Sum(),
            Warmed = pool.Load.WarmUps.Started,
            WarmedUsed = pool.Load.WarmUps.Used,
            WarmedUnused = pool.Load.WarmUps.Unused,
        };
    }
}
