namespace Wayang.Fast.Core.Sizing;

/// <summary>
/// Where the arrivals of a pool are going: double exponential smoothing (Holt) of their rate, and the mean error of its forecasts. What it
/// expects is a cautious bound: a rise that is no larger than the usual error is none. Four numbers. Not thread-safe.
/// </summary>
public sealed class ArrivalTrend
{
    private const double LevelWeight = 0.3; // of a look of one second
    private const double TrendWeight = 0.1;
    private const double MostGrowth = 2; // a rise is followed to twice the level at most: the next looks see the rest

    private double _level;
    private double _trend;
    private double _error;
    private bool _seen;

    /// <summary>Arrivals a second, as of now.</summary>
    public double Level => _level;

    /// <param name="rate">Arrivals a second since the last observation.</param>
    /// <param name="seconds">How long ago that was.</param>
    public void Observe(double rate, double seconds)
    {
        if (!_seen)
        {
            _seen = true;
            _level = rate;
            return;
        }

        var guess = Math.Max(0, _level + (_trend * seconds));
        _error += TrendWeight * (Math.Abs(rate - guess) - _error);
        var before = _level;
        _level = guess + (LevelWeight * (rate - guess));
        _trend += TrendWeight * (((_level - before) / seconds) - _trend);
    }

    /// <summary>Arrivals a second that are to be expected at least after <paramref name="lead"/> seconds; 0: no rise is.</summary>
    public double Expect(double lead)
    {
        var rise = (_trend * lead) - _error;
        return rise <= 0 ? 0 : Math.Min(_level + rise, _level * MostGrowth);
    }
}
