using System.Diagnostics;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Top;

/// <summary>What a node said at one moment.</summary>
internal sealed record TopSample(
    long Taken,
    DateTimeOffset At,
    NodeInfo Node,
    IReadOnlyDictionary<string, long> Values,
    IReadOnlyList<PoolInfo> Pools,
    IReadOnlyList<TenantInfo> Tenants,
    IReadOnlyList<WorkerInfo> Workers,
    IReadOnlyList<TaskInfo> Tasks,
    IReadOnlyList<IncidentInfo> Incidents)
{
    private const int MostWorkers = 500;
    private const int MostTasks = 200;
    private const int MostIncidents = 3;

    public long Ended => Values.Where(static v => v.Key is "tasks_succeeded" or "tasks_failed" or "tasks_cancelled" or "tasks_timedout" or "tasks_rejected").Sum(static v => v.Value);

    public int Busy => Pools.Sum(static p => p.Busy);

    public static async Task<TopSample> TakeAsync(WayangClient client, CancellationToken cancellation)
    {
        // One connection: the questions travel together.
        var node = client.NodeInfoAsync(cancellation);
        var values = client.NodeStatsAsync(cancellation);
        var pools = client.ListPoolsAsync(cancellation);
        var tenants = client.ListTenantsAsync(cancellation);
        var workers = client.ListWorkersAsync(MostWorkers, cancellation);
        var tasks = client.ListTasksAsync(limit: MostTasks, cancellation: cancellation);
        var incidents = client.ListIncidentsAsync(MostIncidents, cancellation);
        await Task.WhenAll(node, values, pools, tenants, workers, tasks, incidents);
        return new TopSample(
            Stopwatch.GetTimestamp(), DateTimeOffset.Now, await node, await values, await pools, await tenants, await workers, await tasks, await incidents);
    }

    public long Value(string name) => Values.GetValueOrDefault(name);

    /// <summary>Growth of a number a second since an earlier sample; 0 without one.</summary>
    public double Rate(TopSample? before, Func<TopSample, long> number)
    {
        var seconds = before is null ? 0 : Stopwatch.GetElapsedTime(before.Taken, Taken).TotalSeconds;
        return seconds <= 0 ? 0 : Math.Max(0, number(this) - number(before!)) / seconds;
    }
}

/// <summary>How the tasks are ordered.</summary>
internal enum TopOrder
{
    Longest = 0,
    Class,
    Name,
}
