using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <content>Durable tasks: what of them differs from others at submission, and how those of an earlier start come back.</content>
internal sealed partial class TaskService
{
    private TaskTerms? _defaultTerms;
    private DurableTasks? _durable;

    /// <summary>Set once by the composition; null: the node keeps no ledger.</summary>
    public DurableTasks? Durable
    {
        get => _durable;
        set
        {
            _durable = value;
            _defaultTerms = value is not null && options.Current.DurableByDefault ? new TaskTerms { Durable = true } : null;
        }
    }

    public bool StoresByDefault => _defaultTerms is not null;

    /// <summary>Terms without a word on it are durable by default where that can be; where it is asked for and cannot be, it is refused.</summary>
    private OperationError? JudgeDurable(in TaskSubmission submission, ITaskObserver? observer, ref TaskTerms terms)
    {
        if (terms.Durable is null && _defaultTerms is not null && DurableTasks.CanStore(terms))
        {
            terms = terms with { Durable = true };
        }

        if (terms.Durable != true)
        {
            return null;
        }

        if (_durable is null)
        {
            return DurableTasks.NoLedger;
        }

        return observer is null && submission.Receipt is null && shard.IsDeferring
            ? new OperationError(ErrorCode.Unsupported, "a durable task without a receipt is not submitted from an observer's call, which must not wait", "durable")
            : _durable.Refuse(terms);
    }

    /// <summary>Lets the submitter know that its task is stored: by its receipt, by waiting, or by the end that its observer is told.</summary>
    private static OperationError? Acknowledge(StoredSubmission? pending, in TaskSubmission submission, ITaskObserver? observer, ref TaskId id)
    {
        if (pending is null || observer is not null)
        {
            return null;
        }

        if (submission.Receipt is { } receipt)
        {
            pending.Tell(receipt, submission.ReceiptToken);
            id = default;
            return null;
        }

        return pending.Await();
    }

    /// <summary>What a restored task runs, as this start of the node knows it. Its record is pinned.</summary>
    internal OperationError? Retarget(TaskRecord record, DurableSpec spec)
    {
        var request = new TargetRequest
        {
            Kind = spec.Kind, Image = System.Text.Encoding.UTF8.GetBytes(spec.Image), Function = System.Text.Encoding.UTF8.GetBytes(spec.Function),
            Profile = System.Text.Encoding.UTF8.GetBytes(spec.Profile), Tenant = record.Tenant, Reuse = spec.Reuse, Grants = spec.Terms.Grants,
        };
        if ((Resolve(request, out var target) ?? (target is PoolTarget ? null : new OperationError(ErrorCode.Internal, "no target"))) is { } refusal)
        {
            return refusal;
        }

        var found = (PoolTarget)target!;
        if (spec.Terms.Limits is { } limits && ApplyLimits(limits, ref found) is { } tooMuch)
        {
            return tooMuch;
        }

        record.Pool = found.Pool.Id;
        record.Function = found.Function;
        record.Target = found;
        if (spec.Command is { } command)
        {
            record.Type = types.Get(new TaskTypeKey(record.Tenant, found.Pool.Key.Profile, Path.GetFileName(command.Arguments[0])));
        }

        return null;
    }

    /// <summary>Makes a task of an earlier start one of this, under its id: held, until it is known what it runs.</summary>
    /// <returns>False: the task table is full.</returns>
    internal bool TryRestore(LedgerTask task, DurableSpec spec, int attempt, TaskAttempt? lost, TaskCheckpoint? checkpoint)
    {
        var (id, tenant) = (task.Id, task.Tenant);
        if (!table.TryRent(out var record))
        {
            return false;
        }

        record.Kind = spec.Kind;
        record.Tenant = tenant;
        record.Level = spec.Level;
        record.TimeoutMs = spec.TimeoutMs;
        if (spec.Command is not null)
        {
            record.Command = spec.Command;
        }

        record.AdmittedBytes = (int)Math.Min(int.MaxValue, spec.Data.Length + (long)spec.Terms.StagedBytes);
        record.Input.Set(spec.Data.Span);
        record.Terms = spec.Terms;
        TaskLifecycle.Begin(record, spec.Terms);
        TaskLifecycle.RestoreAttempts(record, attempt, lost, checkpoint);
        if (task.Saved is { } saved)
        {
            lifecycle.RestoreSaved(record, saved);
        }

        var promise = life.Rejoin(spec.Terms, tenant);
        Life.LifeService.Fill(record, promise);
        admission.Release(-1, -record.AdmittedBytes); // they were admitted once: not refused now
        lifecycle.AdmitHeld(record, observer: null, token: 0, id);
        life.Begin(id, spec.Terms, promise);
        return true;
    }

    /// <summary>What admission made of a submission with terms.</summary>
    /// <param name="Slot">Its place in the table; -1: it is not up for dispatch yet.</param>
    /// <param name="Known">An earlier task's result answers it.</param>
    /// <param name="Pending">It is durable, and being stored.</param>
    private readonly record struct Admitted(TaskId Id, int Slot, CachedResult? Known, StoredSubmission? Pending);
}
