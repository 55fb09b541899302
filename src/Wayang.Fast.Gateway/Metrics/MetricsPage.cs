using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Gateway.Metrics;

/// <summary>The text of <c>/metrics</c>: every source's families, one scrape at a time. A family has a bounded number of series.</summary>
public sealed class MetricsPage(params IReadOnlyList<IMetricSource> sources)
{
    /// <summary>What a scraper reads in the answer's header.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Series of one family at most.</summary>
    public const int MaxSeries = 1000;

    private readonly Lock _gate = new();
    private long _dropped;

    public string Render()
    {
        var exposition = new Exposition(MaxSeries);
        lock (_gate)
        {
            foreach (var source in sources)
            {
                source.WriteMetrics(exposition);
            }

            _dropped += exposition.Dropped;
            exposition.Counter("wayang_metrics_series_dropped_total", "Series that were left out because their family had too many.", _dropped);
        }

        return exposition.ToString();
    }
}
