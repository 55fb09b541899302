namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Whether a thread that answers callers may go before all ordinary ones: as long as it does little. One that is busy all the time (a flood of requests) would keep the processor
/// from the workers that it wakes, and the kernel stops threads that go first for 50 ms once they have had 950 of a second. Pure; one owner.
/// </summary>
internal sealed class FirstThread
{
    /// <summary>Part of the time since the last look: more, and it is ordinary from now on.</summary>
    public const double Busy = 0.4;

    /// <summary>Less, for <see cref="Looks"/> looks, and it goes first again.</summary>
    public const double Calm = 0.2;

    public const int Looks = 5;

    private long _used = -1;
    private int _calm;

    /// <summary>What it was last said to be.</summary>
    public bool IsFirst { get; private set; }

    /// <summary>A look at it.</summary>
    /// <param name="used">Its processor time so far, in nanoseconds.</param>
    /// <param name="elapsed">Nanoseconds since the last look.</param>
    /// <returns>True: it changes what it is (<see cref="IsFirst"/>).</returns>
    public bool Look(long used, long elapsed)
    {
        if (_used < 0)
        {
            _used = used;
            return IsFirst = true;
        }

        var part = elapsed > 0 ? (double)(used - _used) / elapsed : 0;
        _used = used;
        _calm = part < Calm ? _calm + 1 : 0;
        if (IsFirst ? part <= Busy : _calm < Looks)
        {
            return false;
        }

        (IsFirst, _calm) = (!IsFirst, 0);
        return true;
    }
}
