namespace Wayang.Fast.Core.Diagnostics;

/// <summary>
/// Says what is old enough to be forgotten, by stamps of a wall clock that may have been set meanwhile: nothing is forgotten early. What was stamped before the clock went forward
/// looks older than it is, so for the length of the retention the bound stays behind by the jump. What was stamped before it went back is kept longer by the jump, as its stamp says.
/// Not thread-safe.
/// </summary>
public sealed class RetentionClock
{
    private const int MostJumps = 64;

    private readonly TimeProvider _time;
    private readonly ClockWatch _watch;
    private readonly List<(long At, TimeSpan By)> _jumps = [];

    public RetentionClock(TimeProvider time) => (_time, _watch) = (time, new ClockWatch(time));

    /// <summary>What is stamped earlier was kept for that long.</summary>
    public DateTimeOffset Before(TimeSpan retention)
    {
        var jump = _watch.Look();
        if (jump != TimeSpan.Zero)
        {
            _jumps.Add((_time.GetTimestamp(), jump));
            if (_jumps.Count > MostJumps)
            {
                // As one, at the later time: too long rather than too short.
                _jumps[1] = (_jumps[1].At, _jumps[0].By + _jumps[1].By);
                _jumps.RemoveAt(0);
            }
        }

        // What was stamped between two jumps is wrong by those behind it: the bound is right for whatever is wrong the most.
        var (most, behind) = (TimeSpan.Zero, TimeSpan.Zero);
        for (var i = _jumps.Count - 1; i >= 0 && _time.GetElapsedTime(_jumps[i].At) < retention; i--)
        {
            behind += _jumps[i].By;
            most = behind > most ? behind : most;
        }

        var back = retention + most;
        return _watch.Now - DateTimeOffset.UnixEpoch > back ? _watch.Now - back : DateTimeOffset.UnixEpoch;
    }
}
