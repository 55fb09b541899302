using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Events;

/// <summary>A store that stores when the test says so.</summary>
internal sealed class ScriptedStore : IEventStore
{
    private readonly Lock _gate = new();
    private readonly List<NodeEvent> _stored = [];
    private readonly List<(IReadOnlyList<NodeEvent> Events, Action OnStored)> _waiting = [];
    private bool _holds;

    public Action<IReadOnlyList<NodeEvent>>? EventsStored { get; set; }

    public string? EventProblem { get; set; }

    public bool Unreadable { get; set; }

    /// <summary>Numbers up to it are forgotten.</summary>
    public long Forgotten { get; set; }

    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Sum(static w => w.Events.Count);
            }
        }
    }

    public long? LastEvent() => Unreadable ? null : _stored.Count;

    public IReadOnlyList<NodeEvent> ReadEvents(long since, int limit)
    {
        lock (_gate)
        {
            return Unreadable
                ? throw new LedgerUnreadableException("the disk fails")
                : [.. _stored.Where(e => e.Sequence > since && e.Sequence > Forgotten).Take(limit)];
        }
    }

    public void PostEvents(IReadOnlyList<NodeEvent> events, Action onStored)
    {
        lock (_gate)
        {
            _waiting.Add((events, onStored));
        }

        if (!_holds)
        {
            Store();
        }
    }

    public void Hold() => _holds = true;

    public void Store()
    {
        _holds = false;
        lock (_gate)
        {
            foreach (var (events, onStored) in _waiting)
            {
                var numbered = events.Select((e, i) => e with { Sequence = _stored.Count + 1 + i }).ToList();
                _stored.AddRange(numbered);
                EventsStored?.Invoke(numbered);
                onStored();
            }

            _waiting.Clear();
        }
    }
}
