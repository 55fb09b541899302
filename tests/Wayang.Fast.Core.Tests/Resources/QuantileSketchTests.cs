using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Tests.Resources;

[Trait("Promise", "RA2")]
public sealed class QuantileSketchTests
{
    private const int Seed = 20261125;

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.95)]
    [InlineData(0.99)]
    public void Quantile_is_never_too_low_and_at_most_an_eighth_too_high(double quantile)
    {
        var random = new Random(Seed);
        var sketch = new QuantileSketch();
        var values = new long[QuantileSketch.Window - 1];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (long)Math.Exp(random.NextDouble() * 24);
            sketch.Record(values[i]);
        }

        Array.Sort(values);
        var exact = values[Math.Max(0, (int)Math.Ceiling(quantile * values.Length) - 1)];
        Assert.InRange(sketch.Quantile(quantile), exact, exact + (exact / 8) + 1);
    }

    [Fact]
    public void Forgets_what_was_long_ago()
    {
        var sketch = new QuantileSketch();
        for (var i = 0; i < 10_000; i++)
        {
            sketch.Record(1_000_000);
        }

        for (var i = 0; i < 20 * QuantileSketch.Window; i++)
        {
            sketch.Record(1_000);
        }

        Assert.InRange(sketch.Quantile(1), 1_000, 1_125);
        Assert.Equal(10_000 + (20 * QuantileSketch.Window), sketch.Seen);
    }

    [Fact]
    public void Single_large_value_is_seen_by_the_highest_quantile_for_a_while()
    {
        var sketch = new QuantileSketch();
        sketch.Record(1 << 30);
        for (var i = 0; i < QuantileSketch.Window / 2; i++)
        {
            sketch.Record(10);
        }

        Assert.True(sketch.Quantile(1) >= 1 << 30);
        Assert.InRange(sketch.Quantile(0.95), 10, 11);
    }

    [Fact]
    public void Extremes_are_counted_and_nothing_is_nothing()
    {
        var sketch = new QuantileSketch();
        Assert.Equal(0, sketch.Quantile(0.99));
        sketch.Record(long.MinValue);
        Assert.Equal(0, sketch.Quantile(1));
        sketch.Record(long.MaxValue);
        Assert.Equal((1L << 44) - 1, sketch.Quantile(1));
    }

    [Fact]
    public void Survives_being_written_and_read_and_refuses_what_it_did_not_write()
    {
        var sketch = new QuantileSketch();
        for (var i = 1; i < 500; i++)
        {
            sketch.Record(i * 1000);
        }

        var bytes = new byte[QuantileSketch.SerializedBytes];
        sketch.Write(bytes);
        var copy = new QuantileSketch();
        Assert.True(copy.TryRead(bytes));
        Assert.Equal(sketch.Quantile(0.9), copy.Quantile(0.9));
        Assert.Equal(sketch.Seen, copy.Seen);
        Assert.False(copy.TryRead(bytes.AsSpan(1)));
        bytes.AsSpan(8).Fill(0xFF);
        Assert.False(copy.TryRead(bytes));
        Assert.Equal(sketch.Quantile(0.9), copy.Quantile(0.9));
    }
}
