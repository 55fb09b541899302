using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Perf.Ledger;

/// <summary>A ledger that also notes how many bytes a task brings into it, so that the raw side writes rows of the same size.</summary>
internal sealed class RowSizes(ITaskLedger inner) : ITaskLedger
{
    /// <summary>Of the last submission.</summary>
    public int SpecBytes { get; private set; }

    /// <summary>Of the last end.</summary>
    public int FactsBytes { get; private set; }

    /// <summary>Of the last end.</summary>
    public int OutputBytes { get; private set; }

    public OperationError? Refusal => inner.Refusal;

    public LedgerStatus Status => inner.Status;

    public void Post(LedgerWrite write)
    {
        switch (write)
        {
            case LedgerSubmission submission:
                SpecBytes = submission.Spec.Length;
                break;
            case LedgerEnd end:
                FactsBytes = end.Facts.Length;
                OutputBytes = end.Streams[(int)OutputStream.Output]?.Length ?? 0;
                break;
        }

        inner.Post(write);
    }

    public LedgerTask? Find(TaskId id) => inner.Find(id);

    public IReadOnlyList<LedgerTask> ReadLive() => inner.ReadLive();

    public IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since) => inner.ReadKeys(since);

    public byte[]? ReadImage(string hash) => inner.ReadImage(hash);

    public void Dispose() => inner.Dispose();
}
