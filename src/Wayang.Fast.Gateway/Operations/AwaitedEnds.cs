namespace Wayang.Fast.Gateway.Operations;

/// <summary>
/// Ends that were told and whose awaiters have not gone on yet: those of a batch go on together, on a few threads of the pool, one after the other on each. A thread woken
/// for each end had the processors switch threads more than work. Thread-safe; nobody is waited for.
/// </summary>
internal sealed class AwaitedEnds
{
    /// <summary>Awaiters that go on one after the other: few enough that none waits long for those before it, and that several processors have work.</summary>
    private const int MostTogether = 8;

    private AwaitedEnd? _last;

    public void Add(AwaitedEnd end)
    {
        for (var last = Volatile.Read(ref _last); ;)
        {
            end.Before = last;
            var seen = Interlocked.CompareExchange(ref _last, end, last);
            if (seen == last)
            {
                return;
            }

            last = seen;
        }
    }

    /// <summary>Lets go on who was added so far.</summary>
    public void Flush()
    {
        AwaitedEnd? first = null;
        var count = 0;
        for (var end = Interlocked.Exchange(ref _last, null); end is not null;)
        {
            var before = end.Before;
            end.Before = first;
            (first, end) = (end, before);
            if (++count % MostTogether == 0 || end is null)
            {
                ThreadPool.UnsafeQueueUserWorkItem(static chain => GoOn(chain), first, preferLocal: false);
                first = null;
            }
        }
    }

    private static void GoOn(AwaitedEnd? end)
    {
        while (end is not null)
        {
            var next = end.Before; // an awaiter may let it go
            end.GoOn();
            end = next;
        }
    }
}
