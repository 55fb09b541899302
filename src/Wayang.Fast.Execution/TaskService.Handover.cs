using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <content>Other nodes' calls that go on here.</content>
internal sealed partial class TaskService
{
    /// <summary>Whether a call could go on here, as this node is now.</summary>
    internal OperationError? RefuseVisit(DurableSpec spec, int tenant, out WorkerPool? pool)
    {
        pool = null;
        if (_stopping)
        {
            return new OperationError(ErrorCode.Unavailable, "the node is stopping", null);
        }

        if (_refusesWork)
        {
            return new OperationError(ErrorCode.Unavailable, "it is being drained and takes no new work", null);
        }

        if (spec.Kind != TaskKind.Call)
        {
            return new OperationError(ErrorCode.InvalidArgument, "only calls are handed over", "spec");
        }

        var owner = tenants.Of(tenant);
        if (spec.Level > owner.HighestLevel)
        {
            return RefuseLevel(spec.Level, owner);
        }

        var request = new TargetRequest
        {
            Kind = TaskKind.Call, Image = Encoding.UTF8.GetBytes(spec.Image), Function = Encoding.UTF8.GetBytes(spec.Function), Profile = Encoding.UTF8.GetBytes(spec.Profile),
            Tenant = tenant, Reuse = spec.Reuse,
        };
        if (Resolve(request, out var target) is { } refusal)
        {
            return refusal.Code == ErrorCode.NotFound ? new OperationError(ErrorCode.NotFound, $"it has no image {spec.Image} of this tenant: put the same image there first (image.put)", "image") : refusal;
        }

        pool = (target as PoolTarget)?.Pool;
        return pool is { Image.IsMigratable: true } || (pool is not null && spec.Terms.Migration is TaskMigration.Cooperative or TaskMigration.Restart)
            ? null
            : new OperationError(ErrorCode.Unsupported, "its image is not open for moves there (profile compute, and migration.compute: transparent before the image is put)", "image");
    }

    /// <summary>Makes another node's call one that stands still here.</summary>
    /// <param name="id">Of its task.</param>
    /// <param name="tenant">Here.</param>
    /// <param name="spec">What it runs.</param>
    /// <param name="checkpoint">Where it goes on; null: it begins anew.</param>
    /// <param name="beginning">From what it does; null: it goes on from a file.</param>
    /// <param name="visit">Told what becomes of it.</param>
    internal OperationError? AdmitVisit<TVisit>(TaskId id, int tenant, DurableSpec spec, TaskCheckpoint? checkpoint, CallBeginning? beginning, TVisit visit)
        where TVisit : IVisit, ITaskObserver
    {
        if (!table.TryRent(out var record))
        {
            return new OperationError(ErrorCode.ResourceExhausted, "the task table is full", null, 1000);
        }

        (record.Kind, record.Tenant, record.Level, record.TimeoutMs, record.AdmittedBytes) = (TaskKind.Call, tenant, spec.Level, spec.TimeoutMs, 0);
        record.Terms = spec.Terms;
        if (Retarget(record, spec) is { } refusal)
        {
            table.Return(record);
            return refusal;
        }

        if (beginning is not null)
        {
            record.Input.Set(beginning.Input);
            TaskLifecycle.RestoreAttempts(record, beginning.Attempt, lost: null);
        }

        admission.Release(-1, 0); // it was admitted at home: not refused for the queue's length now
        lifecycle.AdmitVisit(record, id, checkpoint, visit, visit);
        return null;
    }
}
