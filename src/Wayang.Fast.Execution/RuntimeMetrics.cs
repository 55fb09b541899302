using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Preemption;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <summary>What the runtime tells at <c>/metrics</c>. Reads counters that their owners write anyway; cold.</summary>
internal sealed class RuntimeMetrics(
    TenantDirectory tenants, TaskLifecycle lifecycle, AdmissionGate admission, TaskService service, Shard shard, CompletionThread completion, Supervisor supervisor,
    IncidentLog incidents, Func<IReadOnlyList<WorkerPool>> pools, LifeService life, EventDesk events) : IMetricSource
{
    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        WriteTasks(exposition);
        WriteQueue(exposition);
        WriteWorkers(exposition);
        WriteRings(exposition);
        WriteWatchdog(exposition);
        WriteTenants(exposition);
        WriteUsage(exposition);
        PreemptionReport.Write(exposition, shard, supervisor);
        supervisor.CheckpointReport.Write(exposition);
        WriteLedger(exposition);
    }

    private void WriteLedger(Exposition to)
    {
        if (service.Durable?.Ledger.Status is not { } status)
        {
            return;
        }

        to.Gauge("wayang_ledger_available", "1: durable tasks can be stored; 0: they are refused, and the log and /readyz say why.", status.Problem is null ? 1 : 0);
        to.Gauge("wayang_ledger_waiting", "Writes that wait for their commit.", status.Waiting);
        to.Gauge("wayang_ledger_bytes", "Size of the ledger's files.", status.FileBytes);
        to.Counter("wayang_ledger_commits_total", "Commits, each of all that waited.", status.Commits);
        to.Counter("wayang_ledger_writes_total", "Submissions, attempts and ends that were stored.", status.Stored);
        to.Counter("wayang_ledger_failures_total", "Commits and openings that failed.", status.Failures);
    }

    /// <summary>What tasks use, and what the whole host lacks.</summary>
    private void WriteUsage(Exposition to)
    {
        to.Gauge("wayang_workers_memory_bytes", "Memory of call workers by pool, as the supervisor saw it last; where there is a memory group.");
        foreach (var pool in supervisor.Workers.All().GroupBy(static w => w.Pool))
        {
            to.Sample(pool.Sum(static w => w.MemoryBytes), "image", Short(pool.Key.Key.Image), "profile", pool.Key.Key.Profile, "pool", Number(pool.Key.Id));
        }

        to.Gauge("wayang_commands_memory_bytes", "Memory of running commands, as the supervisor saw it last; where there is a memory group.", supervisor.CommandsMemoryBytes);
        var pressures = NodePressure.Read();
        to.Gauge("wayang_node_pressure_ratio", "Share of the last ten seconds in which tasks of the host waited for a resource (PSI): some of them, or all.");
        foreach (var pressure in pressures)
        {
            to.Sample(pressure.Share, "resource", pressure.Resource, "kind", pressure.Kind);
        }

        to.Counter("wayang_node_pressure_seconds_total", "Time in which tasks of the host waited for a resource (PSI), since it was started.");
        foreach (var pressure in pressures)
        {
            to.Sample(pressure.Total.TotalSeconds, "resource", pressure.Resource, "kind", pressure.Kind);
        }
    }

    private void WriteTasks(Exposition to)
    {
        Spans(to, "wayang_task_queue_seconds", "From submission to dispatch, of tasks that ended.", TaskSpan.Queue);
        Spans(to, "wayang_task_start_seconds", "From dispatch to running, of tasks that ended.", TaskSpan.Start);
        Spans(to, "wayang_task_run_seconds", "From running to the end, of tasks that ended.", TaskSpan.Run);
        to.Counter("wayang_tasks_ended_total", "Tasks that ended, by state and cause.");
        foreach (var state in Enum.GetValues<TaskState>().Where(static s => s >= TaskState.Succeeded))
        {
            foreach (var cause in Enum.GetValues<CauseType>())
            {
                if (lifecycle.Counters.Of(state, cause) is > 0 and var count)
                {
                    to.Sample(count, "state", WireNames.Text(state), "cause", WireNames.Text(cause));
                }
            }
        }

        to.Counter("wayang_tasks_dispatched_total", "Tasks that were dispatched.", shard.Dispatched);
        to.Counter("wayang_task_retries_total", "Attempts after the first that tasks were granted.", lifecycle.Retries);
        to.Gauge("wayang_tasks_awaiting_retry", "Tasks that wait for their next attempt.", lifecycle.AwaitingRetry);
        to.Gauge("wayang_groups", "Groups that are remembered.", life.Groups.Count);
        to.Gauge("wayang_idempotency_keys", "Idempotency keys that are remembered.", life.Keys.Count);
        to.Counter("wayang_idempotency_repeats_total", "Submissions that were answered with an earlier one's task.", life.Keys.Repeats);
        to.Counter("wayang_idempotency_conflicts_total", "Submissions that used a key again for another task, and were refused.", life.Keys.Conflicts);
        to.Gauge("wayang_tasks_retained", "Ended tasks that are remembered.", lifecycle.Retained);
        to.Gauge("wayang_tasks_retained_bytes", "Memory that remembered tasks hold with their outputs.", lifecycle.RetainedBytes);
        to.Gauge("wayang_commands_running", "Commands that were started and are not over.", supervisor.RunningCommands);
    }

    private void Spans(Exposition to, string name, string help, TaskSpan span)
    {
        to.Histogram(name, help);
        foreach (var taskClass in Enum.GetValues<TaskClass>())
        {
            to.Distribution(lifecycle.Times.Of(taskClass, span), lifecycle.Times.SecondsPerTick, "class", WireNames.Text(taskClass));
        }
    }

    private void WriteQueue(Exposition to)
    {
        to.Gauge("wayang_queue_tasks", "Tasks that wait, by the class of the level that they wait at now.");
        foreach (var (taskClass, queued) in QueuedByClass(shard))
        {
            to.Sample(queued, "class", WireNames.Text(taskClass));
        }

        to.Gauge("wayang_inbox_tasks", "Submitted tasks that dispatch has not looked at yet.", shard.InInbox);
        to.Gauge("wayang_admitted_tasks", "Tasks between admission and dispatch.", admission.Queued);
        to.Gauge("wayang_admitted_bytes", "Bytes of their inputs.", admission.QueuedBytes);
        to.Counter("wayang_submissions_refused_total", "Submissions that were refused before they became tasks, by reason.");
        to.Sample(admission.RefusedBy(AdmissionBound.PayloadBytes), "reason", "payload_bytes");
        to.Sample(admission.RefusedBy(AdmissionBound.QueuedTasks), "reason", "queued_tasks");
        to.Sample(admission.RefusedBy(AdmissionBound.QueuedBytes), "reason", "queued_bytes");
        to.Sample(service.RefusedForTable, "reason", "task_table");
        to.Sample(service.RefusedForStop, "reason", "stopping");
        to.Sample(service.RefusedForDrain, "reason", "draining");
    }

    private void WriteWorkers(Exposition to)
    {
        to.Gauge("wayang_workers", "Call workers by pool and state.");
        foreach (var group in supervisor.Workers.All().GroupBy(static w => (w.Pool, State: NodeMonitor.StateOf(w))))
        {
            var key = group.Key.Pool.Key;
            to.Sample(group.Count(), "image", Short(key.Image), "profile", key.Profile, "pool", Number(group.Key.Pool.Id), "state", group.Key.State);
        }

        to.Gauge("wayang_pool_queue_tasks", "Tasks that wait, by pool.");
        foreach (var pool in pools().Where(static p => !p.Closed))
        {
            shard.TryPeek(pool, out var queued, out _);
            to.Sample(queued, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", Number(pool.Id));
        }

        WriteSizing(to);
        to.Counter("wayang_worker_starts_total", "Call workers that were asked of the spawner.", supervisor.WorkersStarted);
        to.Counter("wayang_worker_start_failures_total", "Call workers that were asked for and did not become ready.", shard.StartFailures);
        to.Counter("wayang_worker_exits_total", "Processes of workers and commands that ended, by how.");
        foreach (var kind in Enum.GetValues<ExitKind>())
        {
            to.Sample(supervisor.ExitsOf(kind), "how", ExitName(kind));
        }
    }

    /// <summary>What the pools' loads ask for, beside what there is (<c>wayang_workers</c>).</summary>
    private void WriteSizing(Exposition to)
    {
        var calls = pools().Where(static p => p is { Closed: false, IsCommand: false }).ToList();
        to.Gauge("wayang_pool_workers_wanted", "Workers that a pool should have, by what it did and is expected to do.");
        foreach (var pool in calls)
        {
            to.Sample(pool.Load.Wanted, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", Number(pool.Id));
        }

        to.Gauge("wayang_pool_load", "Calls of a pool in service at once, on average, as its arrivals make up for.");
        foreach (var pool in calls)
        {
            to.Sample(pool.Load.Sizing.Load, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", Number(pool.Id));
        }

        to.Counter("wayang_pool_workers_warmed_total", "Workers that were started before their calls came, and those of them that had one, or left without.");
        foreach (var pool in calls)
        {
            var (warmed, id) = (pool.Load.WarmUps, Number(pool.Id));
            to.Sample(warmed.Started, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", id, "outcome", "started");
            to.Sample(warmed.Used, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", id, "outcome", "used");
            to.Sample(warmed.Unused, "image", Short(pool.Key.Image), "profile", pool.Key.Profile, "pool", id, "outcome", "unused");
        }

        to.Counter("wayang_workers_recycled_total", "Workers that were replaced though they worked, by reason.");
        foreach (var reason in Enum.GetValues<RecycleReason>().Where(static r => r != RecycleReason.None))
        {
            to.Sample(shard.Recycled[(int)reason], "reason", reason.ToString().ToLowerInvariant());
        }
    }

    private void WriteRings(Exposition to)
    {
        to.Counter("wayang_ring_waits_total", "Times that one side of a worker's channel waited for space: request (the daemon), completion (the worker).");
        to.Sample(shard.UploadWaits, "ring", "request");
        to.Sample(supervisor.SpaceRings, "ring", "completion");
        to.Gauge("wayang_ring_uploads_pending", "Workers whose request ring is full while an input is on its way.", supervisor.Workers.All().Count(static w => w.UploadsPending));
        to.Counter("wayang_states_saved_total", "States that calls saved for their next attempts.", lifecycle.Saves);
        to.Counter("wayang_states_refused_total", "States that were not kept, as there was no room for them (limits.all_states_bytes).", lifecycle.States.Refused);
        to.Counter("wayang_yields_total", "Calls that gave their places back when they were asked to, and go on from what they saved.", lifecycle.Yields);
        to.Gauge("wayang_states_bytes", "Memory of what tasks have saved.", lifecycle.States.Bytes);
        to.Counter("wayang_attempts_from_state_total", "Attempts that began from what an earlier one saved.", shard.BegunFromState);
        to.Counter("wayang_completion_wakeups_total", "Times that the completion thread was woken.", completion.Wakeups);
        to.Counter("wayang_completions_stale_total", "Completions whose call was over already.", completion.StaleCompletions);
    }

    private void WriteWatchdog(Exposition to)
    {
        to.Counter("wayang_watchdog_heals_total", "Times that the watchdog set dispatch going again.", incidents.CountOf(IncidentKind.Heal));
        to.Counter("wayang_watchdog_stalls_total", "Times that one of the runtime's threads stood still.", incidents.CountOf(IncidentKind.ThreadStalled));
        to.Counter("wayang_events_total", "Events that got a number.", events.Stream.Told);
        to.Counter("wayang_events_lost_total", "Events that came too fast, or that nothing stored in time.", events.Lost);
        to.Counter("wayang_event_gaps_total", "Times that a reader of events came too late for some.", events.Stream.Gaps);
        to.Counter("wayang_scan_findings_total", "What security scans found that is not as it has to be.", incidents.CountOf(IncidentKind.ScanFinding));
        to.Counter("wayang_clock_jumps_total", "Times that the wall clock was set, by a second or more, while the node served.", incidents.CountOf(IncidentKind.ClockJump));
        to.Counter("wayang_workers_unresponsive_total", "Workers that were ended because they gave no sign of life.", incidents.CountOf(IncidentKind.WorkerUnresponsive));
        to.Counter("wayang_workers_rung_again_total", "Workers that slept beside a request and were rung once more.", supervisor.WorkersRungAgain);
        to.Counter("wayang_spawner_restarts_total", "Spawners that took the place of a lost one.", Math.Max(0, supervisor.SpawnersAttached - 1));
        to.Counter("wayang_zygotes_lost_total", "Zygotes that ended and were started again.", supervisor.ZygotesLost);
    }

    /// <summary>Of tenants with a policy, and of those that had tasks; the page bounds the series of a family.</summary>
    private void WriteTenants(Exposition to)
    {
        var all = tenants.All.OrderBy(static t => t.Id).ToList();
        var queued = NodeMonitor.QueuedByTenant(shard, pools());
        void Family(Func<Tenant, double> value)
        {
            foreach (var tenant in all)
            {
                to.Sample(value(tenant), "tenant", tenant.Policy.Name);
            }
        }

        to.Gauge("wayang_tenant_running_tasks", "Tasks that have a slot, by tenant.");
        Family(t => shard.RunningOf(t));
        to.Gauge("wayang_tenant_queue_tasks", "Tasks that wait, by tenant.");
        Family(t => queued.GetValueOrDefault(t));
        to.Gauge("wayang_tenant_weight", "The weight that a tenant's part of the slots follows.");
        Family(static t => t.Policy.Share.Weight);
        to.Counter("wayang_tenant_tasks_total", "Tasks that had a slot and gave it back, by tenant.");
        Family(static t => t.Finished);
        to.Counter("wayang_tenant_slot_seconds_total", "How long they had it together: what weights share out.");
        Family(static t => (double)t.SlotTicks / System.Diagnostics.Stopwatch.Frequency);
        to.Counter("wayang_tenant_submissions_refused_total", "Submissions that a bound of the tenant, or its highest class, refused.");
        Family(static t => t.Refused);
    }

    internal static IEnumerable<(TaskClass Class, int Queued)> QueuedByClass(Shard shard) =>
        Enumerable.Range(0, Scheduler.Levels).GroupBy(SchedulerOptions.ClassOf).Select(g => (g.Key, Math.Max(0, g.Sum(shard.QueuedAt))));

    private static string Short(string image) => image[..Math.Min(12, image.Length)];

    private static string Number(int value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static string ExitName(ExitKind kind) => kind switch
    {
        ExitKind.OutOfMemory => "out_of_memory",
        ExitKind.NotStarted => "not_started",
        _ => kind.ToString().ToLowerInvariant(),
    };
}
