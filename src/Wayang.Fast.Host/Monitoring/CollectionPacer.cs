namespace Wayang.Fast.Host.Monitoring;

/// <summary>What the pacer judges by. Read on its timer; each must be callable from any thread.</summary>
internal sealed class CollectionSigns
{
    /// <summary>Bytes that were allocated so far and may be garbage.</summary>
    public Func<long> Allocated { get; init; } = static () => GC.GetTotalAllocatedBytes();

    /// <summary>Collections so far, whoever asked for them.</summary>
    public Func<int> Collections { get; init; } = static () => GC.CollectionCount(0);

    /// <summary>Memory that the process may have, in bytes.</summary>
    public long Memory { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Tasks that were dispatched so far.</summary>
    public required Func<long> Dispatched { get; init; }

    /// <summary>Tasks that wait: whoever waits for a worker or a slot is not to wait for a collection too.</summary>
    public required Func<long> Queued { get; init; }
}

/// <summary>
/// Asks for a collection of the youngest when nobody waits for the node: all threads stand still meanwhile, for a millisecond that no budget of the runtime makes shorter (its fixed
/// part alone is that long: the stacks of all threads). While tasks are dispatched one after the other nothing is collected up to <see cref="Bound"/>; what is
/// dispatched allocates next to nothing, so that is millions of tasks.
/// </summary>
internal sealed class CollectionPacer : IDisposable
{
    /// <summary>The least garbage that a collection is worth.</summary>
    public const long Portion = 128 << 10;

    /// <summary>Under load that never rests so much garbage is let stand, at most. Below the budget of generation 0 (the keeper sets it), at which the runtime collects on whichever thread allocates.</summary>
    public const long Most = 256 << 20;

    /// <summary>
    /// Between two looks. A node that dispatched nothing from one to the next, and has nothing to dispatch, is at rest; shorter gaps are none: while a lost spawner is started again
    /// nothing is dispatched for half a second, and those who wait for it are not to wait for a collection too.
    /// </summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private const int ShareOfMemory = 64;

    private readonly CollectionSigns _signs;
    private readonly Action _collect;
    private readonly ITimer _timer;
    private long _collectedAt;
    private long _dispatched;
    private int _seen;

    /// <param name="time">When to look.</param>
    /// <param name="signs">What to judge by.</param>
    /// <param name="collect">Collects the youngest generation.</param>
    public CollectionPacer(TimeProvider time, CollectionSigns signs, Action collect)
    {
        _signs = signs;
        Bound = Math.Clamp(signs.Memory / ShareOfMemory, Portion, Most);
        _collect = collect;
        _collectedAt = signs.Allocated();
        _seen = signs.Collections();
        _dispatched = signs.Dispatched();
        _timer = time.CreateTimer(static self => ((CollectionPacer)self!).Look(), this, Period, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Garbage that this node lets stand under load: a small share of the memory that the process may have.</summary>
    public long Bound { get; }

    /// <summary>Collections that were asked for here.</summary>
    public long Asked { get; private set; }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var dispatched = _signs.Dispatched();
        var rests = dispatched == _dispatched && _signs.Queued() == 0;
        _dispatched = dispatched;
        var allocated = _signs.Allocated();
        if (_signs.Collections() != _seen)
        {
            _collectedAt = allocated; // somebody else's: what was garbage is gone
        }
        else if (allocated - _collectedAt is var garbage && (garbage >= Bound || (rests && garbage >= Portion)))
        {
            _collect();
            Asked++;
            _collectedAt = _signs.Allocated();
        }

        _seen = _signs.Collections();
        _timer.Change(Period, Timeout.InfiniteTimeSpan); // not periodic: no look beside another
    }
}
