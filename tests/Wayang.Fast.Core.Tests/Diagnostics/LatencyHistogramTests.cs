using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Core.Tests.Diagnostics;

public class LatencyHistogramTests
{
    [Fact]
    public void QuantilesAreWithinTheirPrecision()
    {
        var random = new Random(5);
        var values = Enumerable.Range(0, 50_000).Select(_ => (long)Math.Exp(random.NextDouble() * 28)).Order().ToArray();
        var histogram = new LatencyHistogram();
        var half = new LatencyHistogram();
        for (var i = 0; i < values.Length; i++)
        {
            (i % 2 == 0 ? histogram : half).Record(values[i]);
        }

        histogram.Merge(half);
        var copy = histogram.Snapshot();
        foreach (var quantile in new[] { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 })
        {
            var exact = values[Math.Max(0, (int)Math.Ceiling(quantile * values.Length) - 1)];
            Assert.InRange(copy.Quantile(quantile), exact, exact + (exact / 63));
        }

        Assert.Equal((50_000, values[^1]), (copy.Total, copy.Max));
    }

    [Fact]
    public void ExtremesAreKept()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal(0, histogram.Quantile(0.5));
        histogram.Record(-5);
        Assert.Equal(0, histogram.Quantile(1));
        histogram.Record(long.MaxValue);
        Assert.Equal((1L << 42) - 1, histogram.Quantile(1));
        histogram.Clear();
        Assert.Equal(0, histogram.Total);
    }
}
