using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Events;

/// <summary>A look at the stream.</summary>
/// <param name="Events">What the filter admits, the oldest first; where numbers are missing, an event of type <see cref="EventTypes.Gap"/> stands in their place.</param>
/// <param name="Next">Behind which number the next look begins: all up to it was looked at.</param>
/// <param name="Stalled">Why nothing new comes now; null: something may.</param>
public sealed record EventPage(IReadOnlyList<NodeEvent> Events, long Next, string? Stalled);

/// <summary>
/// The node's events, in the order of their numbers, which have no holes: the last ones in memory, older ones in the store, if there is one. Readers come with the number
/// that they know and take as much as they like, so one that is slow is waited for by nobody; what it comes too late for, it is told. Thread-safe.
/// </summary>
public sealed class EventStream
{
    /// <summary>Events that one look looks at, at most.</summary>
    public const int MostAtOnce = 1_000;

    /// <summary>In place of a number: nothing of what is kept, and all that comes.</summary>
    public const long FromNow = long.MaxValue;

    /// <summary>Where the numbers of a stream that nothing stores may begin: sixteen digits, which programs that know no integers (JavaScript) still count exactly.</summary>
    private const long LeastBegin = 1_000_000_000_000_000;
    private const long MostBegin = 8_000_000_000_000_000;

    private const string TooLate = "these are not kept any more: the reader came too late, or the node keeps none over a restart";
    private const string Foreign = "the number is none of this stream's, but an earlier start's or another node's: all that is kept here follows";

    private readonly IEventStore? _store;
    private readonly TimeProvider _time;
    private readonly EventRing _ring;
    private TaskCompletionSource? _grown; // null: nobody waits
    private long _gaps;
    private long _told;

    /// <param name="capacity">Events in memory.</param>
    /// <param name="store">Where all are stored, and get their numbers; null: they are in memory only.</param>
    /// <param name="time">Clock.</param>
    /// <param name="begin">Behind which number a stream without a store begins; null: by chance.</param>
    public EventStream(int capacity, IEventStore? store, TimeProvider time, long? begin = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_store, _time) = (store, time);
        _ring = new EventRing(capacity);

        // Without a store nothing is known of earlier starts, and the clock may have been set back since: numbers begin where chance says, so that an earlier start's is not taken for one
        // of ours (one in seven thousand million, for a stream of a million), and is told as a gap.
        if (store is null)
        {
            _ring.Begin(begin ?? RandomBegin());
        }
        else if (store.LastEvent() is { } last)
        {
            _ring.Begin(last);
        }
    }

    /// <summary>The number of the newest event.</summary>
    public long Last => _ring.Last;

    /// <summary>Events that got a number since the start.</summary>
    public long Told => Volatile.Read(ref _told);

    /// <summary>How often a reader came too late for some.</summary>
    public long Gaps => Volatile.Read(ref _gaps);

    /// <summary>What is behind a number. May read the disk.</summary>
    /// <param name="since">
    /// The last number that the reader knows; 0: from the oldest that is kept; <see cref="FromNow"/>: nothing of that. One beyond the newest is none of this stream: that is told as a gap,
    /// and the oldest that is kept follows.
    /// </param>
    /// <param name="limit">Looks at so many at most; what the filter does not admit counts.</param>
    /// <param name="filter">Which are told.</param>
    /// <exception cref="LedgerUnreadableException">They are in the store, and it cannot be read.</exception>
    public EventPage Read(long since, int limit, EventFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var found = new NodeEvent[Math.Clamp(limit, 1, MostAtOnce)];
        var count = _ring.Read(since, found, out var first, out var last);
        if (!_ring.IsBegun)
        {
            return new EventPage([], since, _store?.EventProblem); // nobody knows yet which numbers there are
        }

        if (since == FromNow)
        {
            return new EventPage([], last, _store?.EventProblem);
        }

        var isForeign = since > last;
        if (count == 0 && !isForeign)
        {
            return new EventPage([], since, _store?.EventProblem);
        }

        var behind = count > 0 ? new ArraySegment<NodeEvent>(found, 0, count) : Older(isForeign ? 0 : since, found, ref first);
        return Choose(since, isForeign, behind, first, filter);
    }

    /// <summary>Completes when there is something to be told to who knows a number, at once if there is already.</summary>
    public Task WaitAsync(long since, TimeSpan longest, CancellationToken cancellation)
    {
        if (!IsNewest(since))
        {
            return Task.CompletedTask;
        }

        // SYNC POINT: the signal stands there before the second look; Signal exchanges it after the events were appended.
        var signal = Volatile.Read(ref _grown);
        if (signal is null)
        {
            var made = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            signal = Interlocked.CompareExchange(ref _grown, made, null) ?? made;
        }

        return IsNewest(since) ? AwaitAsync(signal.Task, longest, cancellation) : Task.CompletedTask;
    }

    /// <summary>Takes events that have their numbers. One caller at a time.</summary>
    internal void Publish(IReadOnlyList<NodeEvent> events)
    {
        if (events.Count == 0)
        {
            return;
        }

        _ring.Append(events);
        Signal(events.Count);
    }

    /// <summary>Numbers events that nothing stores, and takes them: makes nothing. One caller at a time.</summary>
    internal void Publish(ReadOnlySpan<ToldEvent> events)
    {
        if (events.Length > 0)
        {
            _ring.Append(events);
            Signal(events.Length);
        }
    }

    private static long RandomBegin()
    {
#pragma warning disable CA5394 // Not a secret: it must differ from start to start.
        return Random.Shared.NextInt64(LeastBegin, MostBegin);
#pragma warning restore CA5394
    }

    /// <summary>Nothing can be told to who knows it, until something comes.</summary>
    private bool IsNewest(long since) => since == FromNow || !_ring.IsBegun || since == _ring.Last;

    /// <summary>What is behind a number and no longer in memory, or the oldest that is there.</summary>
    private IReadOnlyList<NodeEvent> Older(long since, NodeEvent[] found, ref long first)
    {
        if (_store?.ReadEvents(since, found.Length) is { Count: > 0 } stored)
        {
            return stored;
        }

        var count = _ring.Read(first - 1, found, out first, out _);
        return new ArraySegment<NodeEvent>(found, 0, Math.Max(0, count));
    }

    private void Signal(int count)
    {
        Volatile.Write(ref _told, _told + count);
        if (Interlocked.Exchange(ref _grown, null) is { } waiting)
        {
            // On the pool: the caller is the store's thread, and has others to serve than those who wait here.
            ThreadPool.UnsafeQueueUserWorkItem(static signal => signal.TrySetResult(), waiting, preferLocal: false);
        }
    }

    private async Task AwaitAsync(Task signal, TimeSpan longest, CancellationToken cancellation)
    {
        try
        {
            await signal.WaitAsync(longest, _time, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The next look finds nothing, and says so.
        }
    }

    private EventPage Choose(long since, bool isForeign, IReadOnlyList<NodeEvent> behind, long first, EventFilter filter)
    {
        var begin = behind.Count > 0 ? behind[0].Sequence : first;
        var next = behind.Count > 0 ? behind[^1].Sequence : first - 1;
        var chosen = new List<NodeEvent>(behind.Count + 1);
        if (since > 0 && (isForeign || begin > since + 1))
        {
            Interlocked.Increment(ref _gaps);
            chosen.Add(new NodeEvent(
                begin - 1, _time.GetUtcNow().ToUnixTimeMilliseconds(), EventTypes.Gap, EventSeverity.Warning, filter.Tenant ?? NodeEvent.OfNode, filter.Task,
                EventData.Gap(since + 1, begin - 1, isForeign ? Foreign : TooLate)));
        }

        chosen.AddRange(behind.Where(filter.Admits));
        return new EventPage(chosen, next, null);
    }
}
