namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// After visits that took long those who have more wait as long as these took, a millisecond at most, and who rings meanwhile is served at once. The completion thread goes before all tasks, so a
/// flood that keeps it at work (memory that is written for the first time) would leave the workers that wait behind it on its processor nothing. That thread only.
/// </summary>
/// <param name="spins">It has a processor of its own, and never rests.</param>
/// <param name="time">Says how long they took.</param>
internal sealed class VisitRest(bool spins, TimeProvider time)
{
    /// <summary>A wait that lets it end.</summary>
    public const int Milliseconds = 1;

    private readonly long _long = time.TimestampFrequency / 2500;
    private readonly long _most = time.TimestampFrequency / 1000 * Milliseconds;
    private long _began;
    private long _until;

    /// <summary>Reads the clock only where there was something to rest from.</summary>
    public bool IsOn()
    {
        _until = _until != 0 && time.GetTimestamp() < _until ? _until : 0;
        return _until != 0;
    }

    /// <summary>The visits begin.</summary>
    public void Begin() => _began = spins ? 0 : time.GetTimestamp();

    /// <summary>They are over.</summary>
    /// <param name="isMore">Some have more.</param>
    public void End(bool isMore)
    {
        if (spins || !isMore)
        {
            return;
        }

        var now = time.GetTimestamp();
        var took = now - _began;
        _until = took < _long ? 0 : now + Math.Min(took, _most);
    }
}
