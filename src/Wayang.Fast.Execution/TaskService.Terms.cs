using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Isolation;
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
        if (JudgeDurable(submission, observer, ref terms) is { } unstorable)
        {
            return unstorable;
        }

        if (Refuse(submission, target) is { } wrong || (terms.Limits is { } limits && (wrong = ApplyLimits(limits, ref target)) is not null))
        {
            return wrong;
        }

        var needsFiles = terms.HasFiles || (terms.SavesFile && target.Pool.IsCommand);
        if (needsFiles && RuntimeOf(target.Pool.Key.Profile) is var other and not IsolationRuntime.Native)
        {
            return new OperationError(
                ErrorCode.InvalidArgument, $"inputs, artifacts, secrets and saved states are for isolation: native; {WireNames.Text(other)} runs the commands of this image", "inputs");
        }

        if (needsFiles && StageFile.Validate(terms, target.Pool.IsCommand ? submission.Command : null, options.Current.MaxPayloadBytes) is { } unfit)
        {
            return unfit;
        }

        if (terms.Idempotency is { } key)
        {
            return SubmitOnce(submission, target, terms, key, observer, token, out id);
        }

        if (AdmitWithTerms(submission, target, terms, observer, token, out var admitted) is { } refusal)
        {
            return refusal;
        }

        id = admitted.Id;
        PutUp(admitted, submission, target);
        return Acknowledge(admitted.Pending, submission, observer, ref id);
    }

    /// <summary>The same for a key: a task of its own the first time; later ones get that task, and are told its end.</summary>
    private OperationError? SubmitOnce(
        in TaskSubmission submission, PoolTarget target, TaskTerms terms, IdempotencyTerms key, ITaskObserver? observer, long token, out TaskId id)
    {
        var admitted = default(Admitted);
        OperationError? refusal;
        bool repeated;
        using (life.Keys.Enter())
        {
            refusal = life.Keys.Find(target.Tenant, key, out id, out repeated);
            if (refusal is null && repeated)
            {
                // Under the lock: a key is forgotten before its refused submission is.
                admitted = new Admitted(id, -1, null, _durable?.Storing(id));
            }
            else if (refusal is null)
            {
                refusal = AdmitWithTerms(submission, target, terms, observer, token, out admitted);
                if (refusal is null)
                {
                    id = admitted.Id;
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
            return observer is null ? Acknowledge(admitted.Pending, submission, observer, ref id) : Wait(id, target.Tenant, observer, token);
        }

        PutUp(admitted, submission, target);
        return Acknowledge(admitted.Pending, submission, observer, ref id);
    }

    /// <summary>For dispatch, or, where the result is known, for its end; a durable task once it is stored.</summary>
    private void PutUp(in Admitted admitted, in TaskSubmission submission, PoolTarget target)
    {
        if (admitted.Pending is not null)
        {
            return;
        }

        if (admitted.Known is null)
        {
            if (submission.Terms?.Deadline is not null)
            {
                shard.SubmitDue(admitted.Slot);
                return;
            }

            shard.Submit(admitted.Slot, target.Pool.Id, submission.Level, target.Tenant, shard.IsDeferring);
            return;
        }

        admission.Release(BytesOf(submission));
        completion.Post(new CompletionCommand(CompletionCommandKind.EndCached, Record: table[admitted.Slot], Result: admitted.Known));
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
        in TaskSubmission submission, PoolTarget target, TaskTerms terms, ITaskObserver? observer, long token, out Admitted admitted)
    {
        admitted = default;
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
        var durable = terms.Durable == true;
        var known = terms is { Pure: true, HasFiles: false } && !durable ? FindResult(record, submission, target) : null;
        var (slot, timeout) = (record.Slot, record.TimeoutMs);
        var id = durable
            ? lifecycle.AdmitHeld(record, observer, token)
            : lifecycle.Admit(record, observer, token, Stopwatch.GetTimestamp());
        if (terms.HasLife)
        {
            life.Begin(id, terms, promise);
        }

        admitted = new Admitted(id, slot, known, durable ? _durable!.Store(id, submission, target, terms, timeout, observer, token) : null);

        return null;
    }
}
