using Wayang.Fast.Execution.Completions;

namespace Wayang.Fast.Execution.Tests;

/// <summary>When those who flood wait for a moment, and for how long.</summary>
[Trait("Promise", "TR2")]
public sealed class VisitRestTests
{
    private readonly Microseconds _time = new();
    private readonly VisitRest _rest;

    public VisitRestTests() => _rest = new VisitRest(spins: false, _time);

    [Theory]
    [InlineData(199, 0)]
    [InlineData(200, 200)]
    [InlineData(700, 700)]
    [InlineData(30_000, 1000)]
    public void It_lasts_as_long_as_the_visits_and_a_millisecond_at_most(int took, int rest)
    {
        Visit(took, isMore: true);
        Assert.Equal(rest > 0, _rest.IsOn());
        Assert.Equal(rest, _rest.Microseconds);
        _time.Now += Math.Max(0, rest - 1);
        Assert.Equal(rest > 0, _rest.IsOn());
        Assert.Equal(Math.Min(rest, 1), _rest.Microseconds);
        _time.Now++;
        Assert.False(_rest.IsOn());
        Assert.False(_rest.IsOn());
    }

    [Fact]
    public void There_is_none_when_nobody_has_more_or_the_thread_has_a_processor_of_its_own()
    {
        Visit(5000, isMore: false);
        Assert.False(_rest.IsOn());
        var spinning = new VisitRest(spins: true, _time);
        spinning.Begin();
        _time.Now += 5000;
        spinning.End(isMore: true);
        Assert.False(spinning.IsOn());
    }

    [Fact]
    public void Short_visits_without_a_break_count_together()
    {
        for (var i = 0; i < 4; i++)
        {
            Visit(45, isMore: true);
            Assert.False(_rest.IsOn());
        }

        Visit(45, isMore: true);
        Assert.True(_rest.IsOn());
        Assert.Equal(225, _rest.Microseconds);
    }

    [Fact]
    public void When_nobody_has_more_the_thread_sleeps_and_what_follows_counts_anew()
    {
        Visit(150, isMore: true);
        Visit(40, isMore: false);
        Visit(150, isMore: true);
        Assert.False(_rest.IsOn());
        Visit(50, isMore: true);
        Assert.True(_rest.IsOn());
        _time.Now += 200;
        Assert.False(_rest.IsOn());
        Visit(150, isMore: true); // as it does after a rest
        Assert.False(_rest.IsOn());
    }

    private void Visit(int took, bool isMore)
    {
        _rest.Begin();
        _time.Now += took;
        _rest.End(isMore);
    }

    private sealed class Microseconds : TimeProvider
    {
        public long Now { get; set; } = 1_000_000;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => Now;
    }
}
