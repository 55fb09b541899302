using System.Diagnostics;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>
/// How many calls a second one caller may make, on all its connections: a bucket that holds one second's worth and fills evenly. It is kept as the time
/// at which the bucket will be full again, one word that is swapped: any thread, lock-free, nothing is counted down by a timer.
/// </summary>
/// <param name="perSecond">0: as many as they like.</param>
public sealed class CallRate(int perSecond)
{
    private readonly long _cost = perSecond == 0 ? 0 : Math.Max(1, Stopwatch.Frequency / perSecond);
    private long _full;

    /// <summary>0: the call may be made; else in how many milliseconds it may.</summary>
    public int Take() => _cost == 0 ? 0 : Take(Stopwatch.GetTimestamp());

    /// <summary>As <see cref="Take()"/>, at a time of <see cref="Stopwatch"/>.</summary>
    public int Take(long now)
    {
        while (true)
        {
            var seen = Volatile.Read(ref _full);
            var next = Math.Max(seen, now) + _cost;
            var over = next - now - Math.Max(_cost, Stopwatch.Frequency);
            if (over > 0)
            {
                return (int)Math.Max(1, Math.Ceiling(over * 1000.0 / Stopwatch.Frequency));
            }

            if (Interlocked.CompareExchange(ref _full, next, seen) == seen)
            {
                return 0;
            }
        }
    }

    /// <summary>Whether forgetting it would give nothing back that was used.</summary>
    public bool IsFull => Volatile.Read(ref _full) <= Stopwatch.GetTimestamp();
}
