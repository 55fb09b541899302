using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
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

    /// <summary>What was told of the last submission, start and end.</summary>
    public NodeEvent? Submitted { get; private set; }

    public NodeEvent? Started { get; private set; }

    public NodeEvent? Ended { get; private set; }

    public Action<IReadOnlyList<NodeEvent>>? EventsStored
    {
        get => inner.EventsStored;
        set => inner.EventsStored = value;
    }

    public string? EventProblem => inner.EventProblem;

    public OperationError? Refusal => inner.Refusal;

    public LedgerStatus Status => inner.Status;

    public void Post(LedgerWrite write)
    {
        switch (write)
        {
            case LedgerSubmission submission:
                SpecBytes = submission.Spec.Length;
                Submitted = write.Event;
                break;
            case LedgerStart:
                Started = write.Event;
                break;
            case LedgerEnd end:
                Ended = write.Event;
                FactsBytes = end.Facts.Length;
                OutputBytes = end.Streams[(int)OutputStream.Output]?.Length ?? 0;
                break;
        }

        inner.Post(write);
    }

    public LedgerTask? Find(TaskId id) => inner.Find(id);

    public IReadOnlyList<LedgerTask> ReadLive() => inner.ReadLive();

    public IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since) => inner.ReadKeys(since);

    public long? LastEvent() => inner.LastEvent();

    public IReadOnlyList<NodeEvent> ReadEvents(long since, int limit) => inner.ReadEvents(since, limit);

    public void PostEvents(IReadOnlyList<NodeEvent> events, Action onStored) => inner.PostEvents(events, onStored);

    public byte[]? ReadImage(string hash) => inner.ReadImage(hash);

    public void Dispose() => inner.Dispose();
}
