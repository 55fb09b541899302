using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Durable;

/// <summary>A submission on its way into the ledger, and who is told what became of it.</summary>
internal sealed class StoredSubmission(TaskId id, Action<StoredSubmission, OperationError?> onDone) : LedgerSubmission(id)
{
    private readonly Lock _lock = new();
    private readonly List<(ISubmissionReceipt Receipt, long Token)> _receipts = [];
    private readonly TaskCompletionSource _known = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private OperationError? _refusal;
    private bool _done;

    /// <summary>Of the submission; told only a refusal, as its end says that it was stored.</summary>
    public (ITaskObserver Observer, long Token)? Observer { get; init; }

    public override void OnStored() => Tell(null);

    public override void OnRefused(OperationError refusal) => Tell(refusal);

    /// <summary>Tells a receipt, now or when it is known. Any thread.</summary>
    public void Tell(ISubmissionReceipt receipt, long token)
    {
        lock (_lock)
        {
            if (!_done)
            {
                _receipts.Add((receipt, token));
                return;
            }
        }

        TellOne(receipt, token);
    }

    /// <summary>Waits on this thread until it is known.</summary>
    public OperationError? Await()
    {
        _known.Task.Wait();
        return _refusal;
    }

    private void Tell(OperationError? refusal)
    {
        onDone(this, refusal);
        lock (_lock)
        {
            (_done, _refusal) = (true, refusal);
        }

        _known.SetResult();

        foreach (var (receipt, token) in _receipts)
        {
            TellOne(receipt, token);
        }

        if (refusal is not null && Observer is { } observer)
        {
            observer.Observer.OnRefused(Id, refusal, observer.Token);
        }
    }

    private void TellOne(ISubmissionReceipt receipt, long token)
    {
        if (_refusal is { } refusal)
        {
            receipt.OnRefused(refusal, token);
        }
        else
        {
            receipt.OnStored(Id, token);
        }
    }
}
