using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>What became of each submission of a <c>task.submit_many</c>; durable ones are told later, and waited for together.</summary>
internal sealed class SubmissionOutcomes(int count) : ISubmissionReceipt
{
    private readonly (TaskId Id, OperationError? Refusal)[] _outcomes = new (TaskId, OperationError?)[count];
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _awaited = 1;

    public OperationError? Submit(int index, ITaskService tasks, in TaskSubmission submission, out TaskId id)
    {
        if (!(submission.Terms?.Durable ?? tasks.StoresByDefault))
        {
            return tasks.Submit(submission, observer: null, token: 0, out id);
        }

        Interlocked.Increment(ref _awaited);
        var refusal = tasks.Submit(submission with { Receipt = this, ReceiptToken = index }, observer: null, token: 0, out id);
        if (refusal is not null || id != default)
        {
            Interlocked.Decrement(ref _awaited); // known at once: nothing will be told
        }

        return refusal;
    }

    /// <summary>What is known at once.</summary>
    public void Set(int index, TaskId id, OperationError? refusal)
    {
        if (refusal is not null || id != default)
        {
            _outcomes[index] = (id, refusal);
        }
    }

    /// <summary>Waits for those that are told later. Once, on a thread that may wait.</summary>
    public IReadOnlyList<(TaskId Id, OperationError? Refusal)> Await()
    {
        Told();
        _told.Task.Wait();
        return _outcomes;
    }

    public void OnStored(TaskId id, long token)
    {
        _outcomes[token] = (id, null);
        Told();
    }

    public void OnRefused(OperationError refusal, long token)
    {
        _outcomes[token] = (default, refusal);
        Told();
    }

    private void Told()
    {
        if (Interlocked.Decrement(ref _awaited) == 0)
        {
            _told.SetResult();
        }
    }
}
