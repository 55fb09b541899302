using System.Globalization;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Answers what operators ask: workers, pools, tasks, incidents.</summary>
internal static class MonitorReplies
{
    private const int DefaultLimit = 100;

    // The operator's own: whoever may see all of the node's counters may see whose they are.
    private const int DefaultTenant = 0;

    /// <summary>False when the operation is none of these.</summary>
    public static bool TryWrite(
        OperationKind kind, ref MessagePackWriter writer, OperationPorts ports, int tenant, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots,
        out OperationError? refusal)
    {
        refusal = null;
        if (kind is not (OperationKind.TaskList or OperationKind.WorkerList or OperationKind.PoolList or OperationKind.NodeIncidents
            or OperationKind.NodeScan or OperationKind.TaskExplain or OperationKind.TenantList))
        {
            return false;
        }

        if (ports.Monitor is not { } monitor)
        {
            refusal = new(ErrorCode.Unsupported, "This front door was started without a monitor.");
            return true;
        }

        if (kind == OperationKind.NodeScan)
        {
            refusal = ReportedFindings.Keep(monitor, frame, slots[0]) ?? Scan(ref writer, monitor.Scan());
            return true;
        }

        if (kind == OperationKind.TaskExplain)
        {
            refusal = Explain(ref writer, monitor, ports.Drain, tenant, TaskRequest.IdOf(frame, slots));
            return true;
        }

        if (kind == OperationKind.TaskList)
        {
            refusal = Tasks(ref writer, monitor, tenant, frame, slots);
            return true;
        }

        writer.WriteMapHeader(1);
        switch (kind)
        {
            case OperationKind.WorkerList:
                Workers(ref writer, monitor.ListWorkers(tenant, Limit(slots[0])));
                break;
            case OperationKind.PoolList:
                Pools(ref writer, monitor.ListPools(tenant));
                break;
            case OperationKind.TenantList:
                Tenants(ref writer, monitor.ListTenants(tenant == DefaultTenant ? null : tenant));
                break;
            default:
                Incidents(ref writer, monitor.ListIncidents(Limit(slots[0])));
                break;
        }

        return true;
    }

    private static OperationError? Scan(ref MessagePackWriter writer, Core.Diagnostics.ScanReport? report)
    {
        if (report is null)
        {
            return new(ErrorCode.Unavailable, "The spawner does not answer now; try again.") { RetryAfterMs = 1_000 };
        }

        writer.WriteMapHeader(4);
        ReplyEncoder.Number(ref writer, "workers"u8, report.Workers);
        ReplyEncoder.Number(ref writer, "processes"u8, report.Processes);
        ReplyEncoder.Number(ref writer, "untold"u8, report.Untold);
        writer.WriteString("findings"u8);
        writer.WriteArrayHeader(report.Findings.Count);
        foreach (var finding in report.Findings)
        {
            writer.WriteMapHeader(4);
            Text(ref writer, "severity"u8, WireNames.Text(finding.Severity));
            Text(ref writer, "where"u8, finding.Where);
            Text(ref writer, "what"u8, finding.What);
            Text(ref writer, "remedy"u8, finding.Remedy);
        }

        return null;
    }

    private static OperationError? Explain(ref MessagePackWriter writer, INodeMonitor monitor, INodeDrain? drain, int tenant, TaskId id)
    {
        if (monitor.Explain(id, tenant) is not { } told)
        {
            return new(ErrorCode.NotFound, $"no task {id}: never seen, of an earlier start of the node, or forgotten (see retention)", "task");
        }

        writer.WriteMapHeader(3);
        writer.WriteString("task"u8);
        writer.WriteString(told.Id.ToString());
        writer.WriteString("state"u8);
        writer.WriteString(WireNames.Text(told.State));
        writer.WriteString("text"u8);
        writer.WriteString(drain?.Explain(id, told.State) is { } drained ? $"{told.Text} {drained}" : told.Text);
        return null;
    }

    private static int Limit(in ParameterSlot slot) => slot.Present ? (int)slot.Number : DefaultLimit;

    private static OperationError? Tasks(ref MessagePackWriter writer, INodeMonitor monitor, int tenant, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        // The choices are the states from queued on, in their order.
        var state = slots[0].Present ? (TaskState)(slots[0].Number + (int)TaskState.Queued) : TaskState.None;
        TaskPlace? after = null;
        if (slots[2].Present)
        {
            if (ListCursor.Read(slots[2].Of(frame), state, out var place) is { } unknown)
            {
                return unknown;
            }

            after = place;
        }

        var page = monitor.ListTasks(tenant, state, Limit(slots[1]), after);
        writer.WriteMapHeader(page.Last is null ? 1 : 2);
        writer.WriteString("tasks"u8);
        writer.WriteArrayHeader(page.Tasks.Count);
        foreach (var task in page.Tasks)
        {
            ReplyEncoder.Snapshot(ref writer, task);
        }

        if (page.Last is { } last)
        {
            Text(ref writer, "next"u8, ListCursor.Of(state, last));
        }

        return null;
    }

    private static void Workers(ref MessagePackWriter writer, IReadOnlyList<WorkerStatus> workers)
    {
        writer.WriteString("workers"u8);
        writer.WriteArrayHeader(workers.Count);
        foreach (var worker in workers)
        {
            writer.WriteMapHeader(12);
            ReplyEncoder.Number(ref writer, "worker"u8, worker.Worker);
            ReplyEncoder.Number(ref writer, "pid"u8, worker.ProcessId);
            Text(ref writer, "image"u8, worker.Image);
            Text(ref writer, "profile"u8, worker.Profile);
            Text(ref writer, "reuse"u8, WireNames.Text(worker.Reuse));
            Text(ref writer, "state"u8, worker.State);
            ReplyEncoder.Number(ref writer, "in_flight"u8, worker.InFlight);
            ReplyEncoder.Number(ref writer, "calls"u8, worker.Calls);
            ReplyEncoder.Number(ref writer, "age_ms"u8, (long)worker.Age.TotalMilliseconds);
            ReplyEncoder.Number(ref writer, "idle_ms"u8, (long)worker.Idle.TotalMilliseconds);
            ReplyEncoder.Number(ref writer, "memory_bytes"u8, worker.MemoryBytes);
            ReplyEncoder.Number(ref writer, "cpu_us"u8, worker.CpuMicroseconds);
        }
    }

    private static void Pools(ref MessagePackWriter writer, IReadOnlyList<PoolStatus> pools)
    {
        writer.WriteString("pools"u8);
        writer.WriteArrayHeader(pools.Count);
        foreach (var pool in pools)
        {
            writer.WriteMapHeader(17);
            Text(ref writer, "image"u8, pool.Image);
            Text(ref writer, "kind"u8, pool.Kind);
            Text(ref writer, "profile"u8, pool.Profile);
            Text(ref writer, "reuse"u8, WireNames.Text(pool.Reuse));
            Text(ref writer, "state"u8, pool.State);
            ReplyEncoder.Number(ref writer, "queued"u8, pool.Queued);
            ReplyEncoder.Number(ref writer, "free_slots"u8, pool.FreeSlots);
            ReplyEncoder.Number(ref writer, "workers"u8, pool.Workers);
            ReplyEncoder.Number(ref writer, "busy"u8, pool.Busy);
            ReplyEncoder.Number(ref writer, "starting"u8, pool.Starting);
            ReplyEncoder.Number(ref writer, "max_workers"u8, pool.MaxWorkers);
            ReplyEncoder.Number(ref writer, "wanted"u8, pool.Wanted);
            ReplyEncoder.Number(ref writer, "idle"u8, pool.Idle);
            ReplyEncoder.Number(ref writer, "recycled"u8, pool.Recycled);
            ReplyEncoder.Number(ref writer, "warmed"u8, pool.Warmed);
            ReplyEncoder.Number(ref writer, "warmed_used"u8, pool.WarmedUsed);
            ReplyEncoder.Number(ref writer, "warmed_unused"u8, pool.WarmedUnused);
        }
    }

    private static void Tenants(ref MessagePackWriter writer, IReadOnlyList<TenantStatus> tenants)
    {
        writer.WriteString("tenants"u8);
        writer.WriteArrayHeader(tenants.Count);
        foreach (var tenant in tenants)
        {
            var policy = tenant.Policy;
            writer.WriteMapHeader(12);
            Text(ref writer, "name"u8, policy.Name);
            ReplyEncoder.Number(ref writer, "id"u8, policy.Id);
            ReplyEncoder.Number(ref writer, "weight"u8, policy.Share.Weight);
            ReplyEncoder.Number(ref writer, "max_running"u8, policy.Share.MaxRunning);
            ReplyEncoder.Number(ref writer, "max_queued"u8, policy.MaxQueued);
            ReplyEncoder.Number(ref writer, "max_queued_bytes"u8, policy.MaxQueuedBytes);
            Text(ref writer, "highest_class"u8, WireNames.Text(policy.HighestClass));
            ReplyEncoder.Number(ref writer, "running"u8, tenant.Running);
            ReplyEncoder.Number(ref writer, "queued"u8, tenant.Queued);
            ReplyEncoder.Number(ref writer, "finished"u8, tenant.Finished);
            ReplyEncoder.Number(ref writer, "slot_us"u8, (long)tenant.SlotTime.TotalMicroseconds);
            ReplyEncoder.Number(ref writer, "refused"u8, tenant.Refused);
        }
    }

    private static void Incidents(ref MessagePackWriter writer, IReadOnlyList<Core.Diagnostics.Incident> incidents)
    {
        writer.WriteString("incidents"u8);
        writer.WriteArrayHeader(incidents.Count);
        foreach (var incident in incidents)
        {
            writer.WriteMapHeader(5);
            Text(ref writer, "kind"u8, WireNames.Text(incident.Kind));
            Text(ref writer, "at"u8, incident.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
            Text(ref writer, "pool"u8, incident.Pool);
            Text(ref writer, "reason"u8, incident.Reason);
            ReplyEncoder.Number(ref writer, "duration_us"u8, (long)incident.Duration.TotalMicroseconds);
        }
    }

    private static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }
}
