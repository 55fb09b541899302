namespace Wayang.Fast.Core.Tests;

/// <summary>A clock that stands still until it is moved. One tick is 100 ns.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _ticks = 1;
    private TimeSpan _set;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).AddTicks(_ticks) + _set;

    /// <summary>Somebody sets the wall clock; no time goes by.</summary>
    public void Set(TimeSpan by) => _set += by;

    public void Advance(TimeSpan by) => Volatile.Write(ref _ticks, _ticks + by.Ticks);
}
