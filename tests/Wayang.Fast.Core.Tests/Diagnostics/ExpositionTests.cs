using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Core.Tests.Diagnostics;

[Trait("Promise", "HM2")]
public class ExpositionTests
{
    [Fact]
    public void Families_and_series_are_written_as_scrapers_read_them()
    {
        var exposition = new Exposition(10);
        exposition.Gauge("a_bytes", "Says \\ and\nmore.", 1.5);
        exposition.Counter("b_total", "B.");
        exposition.Sample(3, "name", "a \"b\" \\ c\n", "other", "x");
        Assert.Equal(
            "# HELP a_bytes Says \\\\ and\\nmore.\n# TYPE a_bytes gauge\na_bytes 1.5\n# HELP b_total B.\n# TYPE b_total counter\n"
            + "b_total{name=\"a \\\"b\\\" \\\\ c\\n\",other=\"x\"} 3\n",
            exposition.ToString());
    }

    [Fact]
    public void A_histogram_counts_up_to_its_total_in_seconds()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(900);
        histogram.Record(2_000_000);
        histogram.Record(7_200_000_000_000);
        var exposition = new Exposition(10);
        exposition.Histogram("x_seconds", "X.");
        exposition.Distribution(histogram, 1e-9, "class", "normal");
        var lines = exposition.ToString().Split('\n');
        Assert.Contains("x_seconds_bucket{class=\"normal\",le=\"1E-06\"} 1", lines);
        Assert.Contains("x_seconds_bucket{class=\"normal\",le=\"0.0025\"} 2", lines);
        Assert.Contains("x_seconds_bucket{class=\"normal\",le=\"3600\"} 2", lines);
        Assert.Contains("x_seconds_bucket{class=\"normal\",le=\"+Inf\"} 3", lines);
        Assert.Contains("x_seconds_count{class=\"normal\"} 3", lines);
    }

    [Fact]
    public void Series_over_the_bound_are_dropped_and_counted()
    {
        var exposition = new Exposition(2);
        exposition.Gauge("a", "A.");
        for (var i = 0; i < 5; i++)
        {
            exposition.Sample(i, "n", i.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        exposition.Gauge("b", "B.", 1);
        Assert.Equal(3, exposition.Dropped);
        Assert.Equal(3, exposition.ToString().Split('\n').Count(static l => l.Length > 0 && l[0] != '#'));
    }

    [Fact]
    public void Incidents_are_bounded_and_counted()
    {
        var log = new IncidentLog(new ManualTime());
        for (var i = 0; i < IncidentLog.Capacity + 10; i++)
        {
            log.Add(IncidentKind.Heal, "pool", i.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        Assert.Equal(IncidentLog.Capacity + 10, log.CountOf(IncidentKind.Heal));
        Assert.Equal(IncidentLog.Capacity, log.Last(int.MaxValue).Count);
        Assert.Equal("265", log.Last(1)[0].Reason);
    }
}
