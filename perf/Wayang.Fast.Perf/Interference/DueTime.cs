using System.Diagnostics;

namespace Wayang.Fast.Perf.Interference;

/// <summary>When something that is due at fixed times begins.</summary>
internal static class DueTime
{
    /// <summary>Sleeps until then.</summary>
    /// <returns>What its latency counts from: now, or, if the one before came back too late, when it was due, so that a stall counts for all that it held up. What
    /// the sleep itself takes too long is the caller's own.</returns>
    public static long Await(long due)
    {
        var now = Stopwatch.GetTimestamp();
        if (now >= due)
        {
            return due;
        }

        Thread.Sleep(TimeSpan.FromSeconds((double)(due - now) / Stopwatch.Frequency));
        return Stopwatch.GetTimestamp();
    }
}
