namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// Wall-clock milliseconds from the monotonic timestamp, so that an admission reads one clock. The offset is measured anew
/// about once a second by the completion thread; a step of the wall clock shows in ids and times of submission after that.
/// </summary>
internal sealed class UnixClock
{
    private readonly double _millisecondsPerTick;
    private readonly long _frequency;

    // SYNC POINT: milliseconds since 1970 at timestamp 0; written by the completion thread, read by submitters.
    private long _offset;
    private long _synchronized;

    public UnixClock(TimeProvider time)
    {
        _frequency = time.TimestampFrequency;
        _millisecondsPerTick = 1e3 / _frequency;
        Measure(time, time.GetTimestamp());
    }

    public long UnixMilliseconds(long timestamp) => Volatile.Read(ref _offset) + (long)(timestamp * _millisecondsPerTick);

    /// <param name="now">A timestamp of this moment, or of one shortly before.</param>
    public void Synchronize(TimeProvider time, long now)
    {
        if (now - _synchronized >= _frequency)
        {
            Measure(time, time.GetTimestamp());
        }
    }

    private void Measure(TimeProvider time, long now)
    {
        _synchronized = now;
        Volatile.Write(ref _offset, time.GetUtcNow().ToUnixTimeMilliseconds() - (long)(now * _millisecondsPerTick));
    }
}
