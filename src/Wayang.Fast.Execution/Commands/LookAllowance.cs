namespace Wayang.Fast.Execution.Commands;

/// <summary>
/// How many looks are left of a burst that fills up again by one each interval: the timestamp at which it would be full, nothing else (the generic
/// cell rate algorithm). A new one is full.
/// </summary>
internal struct LookAllowance
{
    private long _fullAt;

    /// <summary>Whether one is left.</summary>
    public readonly bool Any(long now, long interval, int burst) => _fullAt - now <= (burst - 1) * interval;

    /// <summary>Takes one; false, and nothing taken, when none is left.</summary>
    public bool TryTake(long now, long interval, int burst)
    {
        if (!Any(now, interval, burst))
        {
            return false;
        }

        _fullAt = Math.Max(_fullAt, now) + interval;
        return true;
    }
}
