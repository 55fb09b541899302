namespace Wayang.Fast.Core.Diagnostics;

/// <summary>
/// Sees that the wall clock was set: it went another way than the monotonic clock did. Slewing (at most 0.5 ms a second) is followed and not told. A machine that slept looks the
/// same as a clock that was put forward: the monotonic clock stood still. Not thread-safe: each who has times to correct has one of its own.
/// </summary>
public sealed class ClockWatch
{
    private const int Tries = 3;

    /// <summary>Less is no jump.</summary>
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(1);

    /// <summary>Two readings that are further apart prove nothing: the thread was stopped in between.</summary>
    private static readonly TimeSpan s_together = TimeSpan.FromMilliseconds(50);

    private readonly TimeProvider _time;
    private DateTimeOffset _wall;
    private long _at;

    public ClockWatch(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        (_time, _wall, _at) = (time, time.GetUtcNow(), time.GetTimestamp());
    }

    /// <summary>What the wall clock would show had nobody set it since the last look.</summary>
    public DateTimeOffset Now => _wall + _time.GetElapsedTime(_at);

    /// <returns>How far it jumped since the last look, below zero: back; zero: it did not.</returns>
    public TimeSpan Look()
    {
        for (var tries = 0; tries < Tries; tries++)
        {
            var before = _time.GetTimestamp();
            var wall = _time.GetUtcNow();
            var after = _time.GetTimestamp();
            if (_time.GetElapsedTime(before, after) > s_together)
            {
                continue;
            }

            var jump = wall - (_wall + _time.GetElapsedTime(_at, after));
            (_wall, _at) = (wall, after);
            return jump.Duration() < s_least ? TimeSpan.Zero : jump;
        }

        return TimeSpan.Zero; // the next look tells it
    }
}
