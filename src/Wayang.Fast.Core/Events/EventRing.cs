using System.Buffers;

namespace Wayang.Fast.Core.Events;

/// <summary>The last events, by number, without a hole between them. Thread-safe; each call is short.</summary>
internal sealed class EventRing(int capacity)
{
    private readonly Lock _gate = new();
    private readonly ToldEvent[] _events = new ToldEvent[capacity];
    private long _first; // 0: not begun
    private long _last;

    /// <summary>Where the numbers go on: the next event follows this one.</summary>
    public void Begin(long last)
    {
        lock (_gate)
        {
            (_first, _last) = (last + 1, last);
        }
    }

    /// <summary>It is known which numbers there are.</summary>
    public bool IsBegun
    {
        get
        {
            lock (_gate)
            {
                return _first > 0;
            }
        }
    }

    /// <summary>The number of the newest.</summary>
    public long Last
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>Events that get the next numbers here.</summary>
    public void Append(ReadOnlySpan<ToldEvent> events)
    {
        lock (_gate)
        {
            foreach (ref readonly var told in events)
            {
                _events[++_last % capacity] = told;
            }

            _first = Math.Max(_first, _last - capacity + 1);
        }
    }

    /// <summary>Events that got their numbers from the store.</summary>
    public void Append(IReadOnlyList<NodeEvent> events)
    {
        lock (_gate)
        {
            foreach (var told in events)
            {
                if (told.Sequence != _last + 1)
                {
                    // The first that are stored after a ledger that could not be read became readable.
                    Array.Clear(_events);
                    _first = told.Sequence;
                }

                _events[told.Sequence % capacity] = new ToldEvent(told, default);
                _last = told.Sequence;
                _first = Math.Max(_first, _last - capacity + 1);
            }
        }
    }

    /// <summary>Copies those behind a number, at most as many as there is room.</summary>
    /// <returns>How many; -1: the next one is not here any more, or never was.</returns>
    public int Read(long since, Span<NodeEvent> to, out long first, out long last)
    {
        var copies = ArrayPool<ToldEvent>.Shared.Rent(Math.Min(to.Length, capacity));
        try
        {
            var count = Copy(since, copies.AsSpan(0, Math.Min(to.Length, capacity)), out first, out last);
            for (var i = 0; i < count; i++)
            {
                to[i] = copies[i].ToEvent(since + 1 + i); // not under the lock, where who tells would wait for it
            }

            return count;
        }
        finally
        {
            ArrayPool<ToldEvent>.Shared.Return(copies, clearArray: true);
        }
    }

    private int Copy(long since, Span<ToldEvent> to, out long first, out long last)
    {
        lock (_gate)
        {
            (first, last) = (_first, _last);
            if (since >= _last)
            {
                return 0;
            }

            if (since + 1 < _first)
            {
                return -1;
            }

            var count = (int)Math.Min(to.Length, _last - since);
            for (var i = 0; i < count; i++)
            {
                to[i] = _events[(since + 1 + i) % capacity];
            }

            return count;
        }
    }
}
