namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Asks for a collection of the youngest after little was allocated, long before the runtime would. What a pause costs beyond its fixed part is what lives of
/// the young and the places in old objects that refer to it, and both grow with what was allocated since the last one: many short pauses in place of a few
/// long ones. Who allocates much gets collections no more often than <see cref="Shortest"/>, so they cost a bounded part of the time.
/// </summary>
internal sealed class CollectionPacer : IDisposable
{
    /// <summary>The least garbage that a collection is worth: some thousand submissions with terms, or hundreds of commands.</summary>
    public const long Portion = 128 << 10;

    /// <summary>Between two looks while something is allocated; a pause of half a millisecond is one per cent of it.</summary>
    public static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Looks in a row that saw nothing allocated before the node counts as at rest. What a thread allocates is counted in pieces of 8 KiB: one look that sees none
    /// says little, and a second without a look is a pause of twice the length.
    /// </summary>
    public const int Idle = 20;

    /// <summary>Between two looks while nothing is: a node at rest is woken once a second for it.</summary>
    public static readonly TimeSpan AtRest = TimeSpan.FromSeconds(1);

    private readonly Func<long> _allocated;
    private readonly Func<int> _collections;
    private readonly Action _collect;
    private readonly ITimer _timer;
    private long _collectedAt;
    private long _looked;
    private int _idle = Idle;
    private int _seen;

    public CollectionPacer(TimeProvider time, Action collect)
        : this(time, static () => GC.GetTotalAllocatedBytes(), static () => GC.CollectionCount(0), collect)
    {
    }

    /// <param name="time">When to look.</param>
    /// <param name="allocated">Bytes that were allocated so far.</param>
    /// <param name="collections">Collections so far, whoever asked for them.</param>
    /// <param name="collect">Collects the youngest generation.</param>
    internal CollectionPacer(TimeProvider time, Func<long> allocated, Func<int> collections, Action collect)
    {
        _allocated = allocated;
        _collections = collections;
        _collect = collect;
        _collectedAt = _looked = allocated();
        _seen = collections();
        _timer = time.CreateTimer(static self => ((CollectionPacer)self!).Look(), this, AtRest, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Collections that were asked for here.</summary>
    public long Asked { get; private set; }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var allocated = _allocated();
        var collections = _collections();
        if (collections != _seen)
        {
            _collectedAt = allocated; // somebody else's: what was garbage is gone
        }
        else if (allocated - _collectedAt >= Portion)
        {
            _collect();
            Asked++;
            _collectedAt = _allocated();
            collections = _collections();
        }

        _seen = collections;
        _idle = allocated == _looked ? _idle + 1 : 0;
        _looked = allocated;
        _timer.Change(_idle < Idle ? Shortest : AtRest, Timeout.InfiniteTimeSpan);
    }
}
