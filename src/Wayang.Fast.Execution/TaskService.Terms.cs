using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution;

/// <content>Submissions with terms: few, so what they need stands apart from the way of the many.</content>
internal sealed partial class TaskService
{
    internal static OperationError RefuseTimeout(uint timeoutMs, uint bound) =>
        new(ErrorCode.InvalidArgument, $"timeout_ms is {timeoutMs}; the bound is {bound}", "timeout_ms");

    private OperationError? SubmitWithTerms(
        in TaskSubmission submission, PoolTarget target, TaskTerms terms, ITaskObserver? observer, long token, out TaskId id)
    {
        id = default;
        if (Refuse(submission, target) is { } wrong || (terms.Limits is { } limits && (wrong = ApplyLimits(limits, ref target)) is not null))
        {
            return wrong;
        }

        if (terms.HasFiles && StageFile.Validate(terms, target.Pool.IsCommand ? submission.Command : null, options.Current.MaxPayloadBytes) is { } unfit)
        {
            return unfit;
        }

        if (terms.Idempotency is { } key)
        {
            return SubmitOnce(submission, target, terms, key, observer, token, out id);
        }

        if (AdmitWithTerms(submission, target, terms, observer, token, out id, out var slot, out var known) is { } refusal)
        {
            return refusal;
        }

        PutUp(slot, known, submission, target);
        return null;
    }

    /// <summary>The same for a key: a task of its own the first time; later ones get that task, and are told its end.</summary>
    private OperationError? SubmitOnce(
        in TaskSubmission submission, PoolTarget target, TaskTerms terms, IdempotencyTerms key, ITaskObserver? observer, long token, out TaskId id)
    {
        var slot = -1;
        CachedResult? known = null;
        OperationError? refusal;
        bool repeated;
        using (life.Keys.Enter())
        {
            refusal = life.Keys.Find(target.Tenant, key, out id, out repeated);
            if (refusal is null && !repeated)
            {
                refusal = AdmitWithTerms(submission, target, terms, observer, token, out id, out slot, out known);
                if (refusal is null)
                {
                    life.Keys.Add(target.Tenant, key, id);
                }
            }
        }

        if (refusal is not null)
        {
            return refusal;
        }

        if (repeated)
        {
            return observer is null ? null : Wait(id, target.Tenant, observer, token);
        }

        PutUp(slot, known, submission, target);
        return null;
    }

    /// <summary>For dispatch, or, where the result is known, for its end.</summary>
    private void PutUp(int slot, CachedResult? known, in TaskSubmission submission, PoolTarget target)
    {
        if (known is null)
        {
            shard.Submit(slot, target.Pool.Id, submission.Level, target.Tenant, shard.IsDeferring);
            return;
        }

        admission.Release(BytesOf(submission));
        completion.Post(new CompletionCommand(CompletionCommandKind.EndCached, Record: table[slot], Result: known));
    }

    /// <summary>Of a pure task: an earlier one's result, or null, and then its own will be kept.</summary>
    private CachedResult? FindResult(TaskRecord record, in TaskSubmission submission, PoolTarget target)
    {
        if (!lifecycle.Results.IsOn)
        {
            return null;
        }

        record.ResultKey = PureKeys.Of(target, submission);
        return lifecycle.Results.TryFind(target.Tenant, record.ResultKey, out var result) ? result : null;
    }

    /// <summary>What admission counts: the input, and what is staged with it.</summary>
    private static int BytesOf(in TaskSubmission submission) => submission.Terms is { HasFiles: true } terms
        ? (int)Math.Min(int.MaxValue, submission.Data.Length + (long)terms.StagedBytes)
        : submission.Data.Length;

    /// <summary>Makes the task; the caller puts its slot up for dispatch.</summary>
    private OperationError? AdmitWithTerms(
        in TaskSubmission submission, PoolTarget target, TaskTerms terms, ITaskObserver? observer, long token, out TaskId id, out int slot,
        out CachedResult? known)
    {
        (id, slot, known) = (default, -1, null);
        var promise = default(LifePromise);
        if (terms.HasLife && life.Prepare(terms, target.Tenant, out promise) is { } refusal)
        {
            return refusal;
        }

        // Counted at once, not in the turn's batch: terms cost more than that anyway.
        if (Rent(submission, target, deferring: false, out var record) is { } full)
        {
            if (terms.HasLife)
            {
                life.Withdraw(terms, promise);
            }

            return full;
        }

        record!.Terms = terms;
        TaskLifecycle.Begin(record, terms);
        LifeService.Fill(record, promise);
        if (terms is { Pure: true, HasFiles: false })
        {
            known = FindResult(record, submission, target);
        }

        slot = record.Slot;
        id = lifecycle.Admit(record, observer, token, Stopwatch.GetTimestamp());
        if (terms.HasLife)
        {
            life.Begin(id, terms, promise);
        }

        return null;
    }
}
