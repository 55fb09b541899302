using System.Diagnostics;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// How long something has stood still that should move: pure, over timestamps. A look that itself comes late says nothing (the
/// machine stood still, or this process was stopped): measuring begins anew.
/// </summary>
internal sealed class Standstill(TimeSpan lateLook)
{
    private long _progress;
    private long _since;
    private long _lastLook;

    /// <param name="now">A monotonic timestamp.</param>
    /// <param name="progress">Changes whenever there is progress.</param>
    /// <param name="due">There is something to be done.</param>
    /// <returns>Since when nothing has moved; zero when it moves, or need not.</returns>
    public TimeSpan Look(long now, long progress, bool due)
    {
        var late = _lastLook == 0 || Stopwatch.GetElapsedTime(_lastLook, now) > lateLook;
        _lastLook = now;
        if (!due || late || _since == 0 || progress != _progress)
        {
            _progress = progress;
            _since = due ? now : 0;
            return TimeSpan.Zero;
        }

        return Stopwatch.GetElapsedTime(_since, now);
    }
}
