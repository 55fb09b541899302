using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Core.Ports;

/// <summary>Where events get their numbers and are kept over restarts. A ledger is one. Thread-safe.</summary>
public interface IEventStore
{
    /// <summary>Told what was stored, in the order of the numbers, none left out; on the store's thread: must not block or throw. Set once, before anything is stored.</summary>
    Action<IReadOnlyList<NodeEvent>>? EventsStored { get; set; }

    /// <summary>What keeps it from storing; null: nothing.</summary>
    string? EventProblem { get; }

    /// <summary>The number of the last event that was ever stored; null: it cannot be told now. Reads the disk.</summary>
    long? LastEvent();

    /// <summary>Events behind a number, the oldest first; those that are not kept any more are missing at the front. Reads the disk.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<NodeEvent> ReadEvents(long since, int limit);

    /// <summary>Takes events to be stored, together; never blocks on the disk. <paramref name="onStored"/> is told on the store's thread.</summary>
    void PostEvents(IReadOnlyList<NodeEvent> events, Action onStored);
}
