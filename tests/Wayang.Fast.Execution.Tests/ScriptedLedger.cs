using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A ledger that stores when the test says so.</summary>
internal sealed class ScriptedLedger : ITaskLedger
{
    public ConcurrentQueue<LedgerWrite> Waiting { get; } = new();

    public OperationError? Refusal { get; set; }

    public LedgerStatus Status => new(Refusal?.Message, Waiting.Count, 0, 0, 0, 0);

    public void Post(LedgerWrite write) => Waiting.Enqueue(write);

    /// <summary>Waits for a write of a kind, and takes it and what was before it.</summary>
    public async Task<T> TakeAsync<T>()
        where T : LedgerWrite
    {
        while (true)
        {
            LedgerWrite? write = null;
            await TestNode.UntilAsync(() => Waiting.TryDequeue(out write), $"a {typeof(T).Name} is posted");
            if (write is T wanted)
            {
                return wanted;
            }

            write!.OnStored();
        }
    }

    public LedgerTask? Find(TaskId id) => null;

    public IReadOnlyList<LedgerTask> ReadLive() => [];

    public IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since) => [];

    public Action<IReadOnlyList<NodeEvent>>? EventsStored { get; set; }

    public string? EventProblem => null;

    public long? LastEvent() => 0;

    public IReadOnlyList<NodeEvent> ReadEvents(long since, int limit) => [];

    public void PostEvents(IReadOnlyList<NodeEvent> events, Action onStored) => onStored();

    public byte[]? ReadImage(string hash) => null;

    public void Dispose()
    {
    }
}
