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
        Assert.Equal(LatencyHistogram.MaxValue, histogram.Quantile(1));
        histogram.Clear();
        Assert.Equal(0, histogram.Total);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Promise", "PM1")]
    public void A_bucket_of_values_is_exact_to_the_precision(bool coarse)
    {
        var random = new Random(7);
        var values = Enumerable.Range(0, 20_000).Select(_ => (long)Math.Exp(random.NextDouble() * 30)).Order().ToArray();
        var histogram = coarse ? LatencyHistogram.Coarse() : new LatencyHistogram();
        foreach (var value in values)
        {
            histogram.Record(value);
        }

        long[] bounds = [0, 1, 100, 1_000, 2_500, 1_000_000, 1_000_000_000, long.MaxValue];
        var counts = new long[bounds.Length];
        Assert.Equal(values.Length, histogram.CountAtMost(bounds, counts));
        for (var i = 0; i < bounds.Length; i++)
        {
            var most = bounds[i] + Math.Min(bounds[i] / histogram.BucketsPerDoubling, long.MaxValue - bounds[i]);
            Assert.InRange(counts[i], values.Count(v => v <= bounds[i]), values.Count(v => v <= most));
        }

        Assert.Equal(values.Sum(), histogram.Sum);
        Assert.Equal(histogram.Total, histogram.Snapshot().Total);
    }

    [Fact]
    [Trait("Promise", "PM1")]
    public async Task A_reader_beside_the_writer_sees_whole_sets_that_only_grow()
    {
        const int Values = 2_000_000;
        var histogram = new LatencyHistogram();
        var writer = Task.Run(() =>
        {
            for (var i = 0; i < Values; i++)
            {
                histogram.Record(i);
            }
        });
        long before = 0;
        while (!writer.IsCompleted)
        {
            var copy = histogram.Snapshot();
            Assert.InRange(copy.Total, before, Values);
            before = copy.Total;

            // The values come in order: a set without holes has its middle at half of its size.
            Assert.InRange(copy.Quantile(0.5), 0, Values / 2 * 1.02);
        }

        await writer;
        Assert.Equal((Values, Values - 1), (histogram.Total, histogram.Max));
    }
}
