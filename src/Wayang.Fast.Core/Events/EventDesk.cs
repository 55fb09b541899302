using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Events;

/// <summary>Which tasks that are not durable have their ends told; durable ones always have.</summary>
public enum ToldTasks : byte
{
    Durable = 0,

    /// <summary>Those that did not succeed, too.</summary>
    Failed,
    All,
}

/// <summary>
/// Takes in what happens, beside those to whom it happens: they leave it in a bounded queue and go on; a pool thread makes events of it, has the store number and
/// keep them, or numbers them itself. What comes faster than that is counted and told as such.
/// </summary>
public sealed class EventDesk : IThreadPoolWorkItem, IDisposable
{
    private const int InboxPlaces = 1 << 13;
    private const int MostUnstored = 1 << 16;
    private const int BatchEvents = 1_000;
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly EventInbox _inbox = new(InboxPlaces);
    private readonly IEventStore? _store;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly List<ToldEvent> _batch = []; // of the one thread that drains
    private bool _stopped;
    private int _asked;
    private int _unstored;
    private long _window;
    private int _inWindow;
    private long _untold;
    private long _lostTold;
    private long _lost;

    /// <param name="capacity">Events in memory.</param>
    /// <param name="store">Keeps them over restarts; null: nothing does.</param>
    /// <param name="time">Clock.</param>
    /// <param name="begin">Behind which number those begin that nothing stores; null: by chance.</param>
    public EventDesk(int capacity, IEventStore? store, TimeProvider time, long? begin = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_store, _time) = (store, time);
        Stream = new EventStream(capacity, store, time, begin);
        if (store is not null)
        {
            store.EventsStored = Stream.Publish;
        }

        _timer = time.CreateTimer(static desk => ((EventDesk)desk!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public EventStream Stream { get; }

    /// <summary>Whose ends are told.</summary>
    public ToldTasks Tasks { get; set; } = ToldTasks.Failed;

    /// <summary>Ends of tasks that are not durable, told in one second at most; how many more there were is told.</summary>
    public int MostEndsPerSecond { get; set; } = 1_000;

    /// <summary>What never got a number, since it came too fast or nothing stored it.</summary>
    public long Lost => _inbox.Lost + Volatile.Read(ref _lost);

    /// <summary>The end of a task. Completion thread: nothing is made, nobody is waited for.</summary>
    public void OnEnded(in EndedTask end)
    {
        if (_inbox.TryPost(end))
        {
            Wake();
        }
    }

    /// <summary>Something of the node's own. Any thread.</summary>
    public void Post(string type, EventSeverity severity, byte[] data) =>
        Post(new NodeEvent(0, _time.GetUtcNow().ToUnixTimeMilliseconds(), type, severity, NodeEvent.OfNode, default, data));

    /// <summary>An event without a number. Any thread.</summary>
    public void Post(NodeEvent made)
    {
        if (_inbox.TryPost(made))
        {
            Wake();
        }
    }

    public void Post(Incident incident)
    {
        ArgumentNullException.ThrowIfNull(incident);
        Post(new NodeEvent(
            0, incident.At.ToUnixTimeMilliseconds(), EventTypes.IncidentPrefix + WireNames.Text(incident.Kind),
            incident.IsCritical ? EventSeverity.Error : incident.Kind == IncidentKind.GcPause ? EventSeverity.Info : EventSeverity.Warning, NodeEvent.OfNode, default,
            EventData.Incident(incident.Pool, incident.Reason, incident.Duration)));
    }

    /// <summary>One thread at a time (<see cref="_asked"/>).</summary>
    void IThreadPoolWorkItem.Execute()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _asked);
            Drain();
        }
        while (Interlocked.Add(ref _asked, -seen) != 0);
    }

    /// <summary>Hands what came so far to the store; what comes later is lost. Before the store is closed.</summary>
    public void Stop()
    {
        SpinWait.SpinUntil(() => Volatile.Read(ref _asked) == 0, s_second);
        lock (_gate)
        {
            _stopped = true;
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Wake()
    {
        if (Interlocked.Increment(ref _asked) == 1)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void Drain()
    {
        int taken;
        do
        {
            _batch.Clear();
            while (_batch.Count < BatchEvents && _inbox.TryTake(out var next))
            {
                if (!next.IsEnd || MayTell())
                {
                    _batch.Add(next);
                }
            }

            TellCounts();
            Store();
            taken = _batch.Count;
        }
        while (taken >= BatchEvents);

        _batch.Clear(); // the last ones are not held until there are next ones
    }

    private bool MayTell()
    {
        var second = _time.GetTimestamp() / _time.TimestampFrequency;
        if (second != _window)
        {
            (_window, _inWindow) = (second, 0);
        }

        if (_inWindow < MostEndsPerSecond)
        {
            _inWindow++;
            return true;
        }

        if (_untold++ == 0)
        {
            _timer.Change(s_second, Timeout.InfiniteTimeSpan);
        }

        return false;
    }

    private void TellCounts()
    {
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (_untold > 0 && _time.GetTimestamp() / _time.TimestampFrequency != _window)
        {
            Add(new NodeEvent(0, now, EventTypes.TasksUntold, EventSeverity.Warning, NodeEvent.OfNode, default, EventData.Number("count", _untold)));
            _untold = 0;
        }

        var lost = Lost - _lostTold;
        if (lost > 0 && Volatile.Read(ref _unstored) < MostUnstored)
        {
            Add(new NodeEvent(0, now, EventTypes.Lost, EventSeverity.Error, NodeEvent.OfNode, default, EventData.Number("count", lost)));
            _lostTold += lost;
        }
    }

    private void Add(NodeEvent made) => _batch.Add(new ToldEvent(made, default));

    private void Store()
    {
        if (_batch.Count == 0)
        {
            return;
        }

        lock (_gate)
        {
            if (_store is null)
            {
                Stream.Publish(CollectionsMarshal.AsSpan(_batch));
            }
            else
            {
                Post(_store, _stopped);
            }
        }
    }

    private void Post(IEventStore store, bool stopped)
    {
        var count = _batch.Count;
        if (stopped || Volatile.Read(ref _unstored) >= MostUnstored)
        {
            Volatile.Write(ref _lost, _lost + count);
            return;
        }

        Interlocked.Add(ref _unstored, count);
        store.PostEvents(_batch.ConvertAll(static told => told.ToEvent()), () => OnStored(count));
    }

    /// <summary>Where some were lost for want of a store, it is told once there is one again.</summary>
    private void OnStored(int count)
    {
        Interlocked.Add(ref _unstored, -count);
        if (Lost > Volatile.Read(ref _lostTold))
        {
            Wake();
        }
    }
}
