namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// When visits have taken long without a break, those who have more wait as long as these took, a millisecond at most, and who rings meanwhile is served at once. The completion thread goes before all
/// tasks, and one that never sleeps is not interrupted before the next tick of the clock (up to 4 ms): a flood that keeps it at work, by memory that is written for the first time or by short records
/// without end, would leave the workers that wait behind it on its processor nothing. That thread only.
/// </summary>
/// <param name="spins">It has a processor of its own, and never rests.</param>
/// <param name="time">Says how long they took.</param>
internal sealed class VisitRest(bool spins, TimeProvider time)
{
    private readonly long _long = time.TimestampFrequency / 5000;
    private readonly long _most = time.TimestampFrequency / 1000;
    private long _began; // 0: nobody has more since the last rest
    private long _until;
    private long _left;

    /// <summary>For how long it goes on, in microseconds, when <see cref="IsOn"/> was asked last; at least 1 while it was on.</summary>
    public long Microseconds => ((_left * 1_000_000) + time.TimestampFrequency - 1) / time.TimestampFrequency;

    /// <summary>Reads the clock only where there was something to rest from.</summary>
    public bool IsOn()
    {
        _left = _until == 0 ? 0 : Math.Max(0, _until - time.GetTimestamp());
        _until = _left > 0 ? _until : 0;
        return _until != 0;
    }

    /// <summary>Visits begin, or go on in the next turn.</summary>
    public void Begin() => _began = spins || _began != 0 ? _began : time.GetTimestamp();

    /// <summary>This turn's are over.</summary>
    /// <param name="isMore">Some have more; else the thread is about to sleep.</param>
    public void End(bool isMore)
    {
        if (spins || !isMore)
        {
            _began = 0;
            return;
        }

        var now = time.GetTimestamp();
        var took = now - _began;
        if (took >= _long)
        {
            (_until, _began) = (now + Math.Min(took, _most), 0);
        }
    }
}
