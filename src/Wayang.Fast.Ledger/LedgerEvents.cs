using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>Events that are of no durable task, on their way into the ledger. Kept until they are stored.</summary>
internal sealed class LedgerEvents(IReadOnlyList<NodeEvent> items, Action onStored) : LedgerWrite(default)
{
    public IReadOnlyList<NodeEvent> Items { get; } = items;

    public override long Bytes { get; } = items.Sum(static e => (long)e.Data.Length);

    public override void OnStored() => onStored();
}
