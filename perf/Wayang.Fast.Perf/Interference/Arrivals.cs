using System.Diagnostics;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// When a caller's next call is due: between a half and one and a half of the interval after the one before, at random. Fixed times keep their distance from the clock's ticks for
/// a whole run, and what the kernel does at each of those either meets every second call or none: the same program then measured 0.3 ms in one run and 1.2 in the next.
/// Each caller has its own.
/// </summary>
/// <param name="interval">In the mean, in ticks of <see cref="Stopwatch"/>.</param>
internal sealed class Arrivals(long interval)
{
#pragma warning disable CA5394 // Nobody is to guess them.
    private readonly Random _random = new();

    /// <summary>Ticks of <see cref="Stopwatch"/> until the next.</summary>
    public long Next() => (long)(interval * (0.5 + _random.NextDouble()));
#pragma warning restore CA5394

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
