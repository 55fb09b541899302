using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <content>What operators ask.</content>
public sealed partial class WayangClient
{
    /// <param name="state">Null: all that have not ended.</param>
    /// <param name="limit">At most so many, those that have been in their state longest first.</param>
    public async Task<IReadOnlyList<TaskInfo>> ListTasksAsync(TaskState? state = null, int limit = 100, CancellationToken cancellation = default) =>
        (await ListTaskPageAsync(state, limit, cursor: null, cancellation)).Tasks;

    /// <summary>The same page by page.</summary>
    /// <param name="state">Null: all that have not ended; the same for all pages.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cursor">The next of the page before; null: the first one.</param>
    /// <param name="cancellation">Of the call.</param>
    public Task<TaskInfoPage> ListTaskPageAsync(TaskState? state, int limit, string? cursor, CancellationToken cancellation = default) =>
        CallAsync(
            "task.list",
            (ref writer) =>
            {
                writer.WriteMapHeader(1 + (state is null ? 0 : 1) + (cursor is null ? 0 : 1));
                if (state is { } wanted)
                {
                    writer.WriteString("state"u8);
                    writer.WriteString(WireNames.Text(wanted));
                }

                RequestEncoders.OptionalNumber(ref writer, "limit"u8, limit);
                RequestEncoders.OptionalText(ref writer, "cursor"u8, cursor);
            },
            MonitorDecoders.Tasks,
            cancellation);

    /// <summary>Why a task waits, or was placed as it was.</summary>
    public Task<TaskReason> ExplainAsync(TaskId id, CancellationToken cancellation = default) =>
        CallAsync("task.explain", (ref writer) => { writer.WriteMapHeader(1); RequestEncoders.Id(ref writer, id); }, MonitorDecoders.Reason, cancellation);

    public Task<IReadOnlyList<WorkerInfo>> ListWorkersAsync(int limit = 100, CancellationToken cancellation = default) =>
        CallAsync("worker.list", (ref writer) => Limit(ref writer, limit), MonitorDecoders.Workers, cancellation);

    public Task<IReadOnlyList<PoolInfo>> ListPoolsAsync(CancellationToken cancellation = default) =>
        CallAsync("pool.list", static (ref writer) => writer.WriteMapHeader(0), MonitorDecoders.Pools, cancellation);

    /// <summary>All of them for the default tenant, which sees the node as its operator does; for another one itself.</summary>
    public Task<IReadOnlyList<TenantInfo>> ListTenantsAsync(CancellationToken cancellation = default) =>
        CallAsync("tenant.list", static (ref writer) => writer.WriteMapHeader(0), MonitorDecoders.Tenants, cancellation);

    /// <summary>The newest first.</summary>
    public Task<IReadOnlyList<IncidentInfo>> ListIncidentsAsync(int limit = 100, CancellationToken cancellation = default) =>
        CallAsync("node.incidents", (ref writer) => Limit(ref writer, limit), MonitorDecoders.Incidents, cancellation);

    /// <summary>Has each running worker compared with its profile; what is something else is killed.</summary>
    public Task<ScanInfo> ScanAsync(CancellationToken cancellation = default) => ScanAsync([], cancellation);

    /// <param name="reported">What was found in files, a line each, <c>critical: </c> or <c>warning: </c> first: the node keeps it as incidents and events.</param>
    /// <param name="cancellation">Of the call.</param>
    public Task<ScanInfo> ScanAsync(IReadOnlyList<string> reported, CancellationToken cancellation = default) =>
        CallAsync(
            "node.scan",
            (ref writer) =>
            {
                writer.WriteMapHeader(reported.Count > 0 ? 1 : 0);
                if (reported.Count > 0)
                {
                    writer.WriteString("reported"u8);
                    writer.WriteArrayHeader(reported.Count);
                    foreach (var line in reported)
                    {
                        writer.WriteString(line);
                    }
                }
            },
            MonitorDecoders.Scan,
            cancellation);

    /// <summary>Lets the node end its work: it takes nothing new, calls that can move go to peers, the rest ends there. Asked again, it says how far it is.</summary>
    /// <param name="to">The only peer where calls go; null: those that have room.</param>
    /// <param name="wait">Answers when it may be stopped, or after so long.</param>
    /// <param name="cancellation">Of the wait.</param>
    public Task<DrainProgress> DrainAsync(string? to = null, TimeSpan wait = default, CancellationToken cancellation = default) =>
        CallAsync(
            "node.drain",
            (ref writer) =>
            {
                writer.WriteMapHeader(to is null ? 1 : 2);
                RequestEncoders.OptionalText(ref writer, "to"u8, to);
                RequestEncoders.OptionalNumber(ref writer, "wait_ms"u8, (long)Math.Min(OperationTable.MaxWaitMs, wait.TotalMilliseconds));
            },
            MonitorDecoders.Drain,
            cancellation);

    /// <summary>The node takes work again.</summary>
    public Task<DrainProgress> UndoDrainAsync(CancellationToken cancellation = default) =>
        CallAsync(
            "node.drain",
            static (ref writer) =>
            {
                writer.WriteMapHeader(1);
                writer.WriteString("undo"u8);
                writer.WriteBoolean(true);
            },
            MonitorDecoders.Drain,
            cancellation);

    private static void Limit(ref MessagePackWriter writer, int limit)
    {
        writer.WriteMapHeader(1);
        RequestEncoders.OptionalNumber(ref writer, "limit"u8, limit);
    }
}
