using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Isolation;
using Wayang.Fast.Execution.Limits;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <content>Tasks with limits of their own. Limits are a worker's, so calls with other limits have other pools.</content>
internal sealed partial class TaskService
{
    /// <summary>Pools of calls that one tenant's limits and grants may make: each keeps workers, and pools are not forgotten.</summary>
    public const int MaxLimitPools = 32;

    private static OperationError TooManyGrants() => new(
        ErrorCode.ResourceExhausted,
        $"{MaxLimitPools} different combinations of image, limits and grants are in use already; each has a pool of its own, so use few", "grants");

    private OperationError? ApplyLimits(TaskLimits limits, ref PoolTarget target)
    {
        var refusal = LimitCheck.Refuse(limits, options.Current, target.Pool.Key.Profile, report.Welcome);
        if (refusal is not null || target.Pool.IsCommand)
        {
            return refusal; // a command's process is its own: its start says the limits
        }

        var pool = GetOrAddPool(target.Pool.Image, target.Pool.Key with { Limits = limits });
        if (pool is null)
        {
            return new OperationError(
                ErrorCode.ResourceExhausted,
                $"calls with {MaxLimitPools} different combinations of image and limits were made already; each has workers of its own, so use few",
                "limits");
        }

        target = target.In(pool);
        return null;
    }

    private bool HasPlaceFor(in PoolKey key)
    {
        var tenant = key.Tenant;
        return (key.Limits is null && key.Grants is null)
            || _pools.Count(p => (p.Key.Limits is not null || p.Key.Grants is not null) && p.Key.Tenant == tenant && !p.Value.Closed) < MaxLimitPools;
    }

    private IsolationRuntime RuntimeOf(string profile) =>
        options.Current.Profiles.FirstOrDefault(p => string.Equals(p.Name, profile, StringComparison.Ordinal))?.Runtime ?? IsolationRuntime.Native;

    /// <summary>Where the writable space that a task asked for lies on this node; empty: it asked for none, or no spawner has told.</summary>
    private string DiskPlace(TaskLimits limits) =>
        limits.DiskBytes == 0 || report.Welcome is not { } welcome ? string.Empty : StartLimits.IsOnDisk(limits.DiskBytes, welcome.Features) ? "disk" : "memory";

    /// <summary>Which of a task's limits are not enforced here, by name.</summary>
    private string[] Unenforced(TaskLimits limits) =>
        report.Welcome is { } welcome ? [.. LimitCheck.Unenforced(limits, welcome.Features).Select(static l => l.Name)] : [];
}
