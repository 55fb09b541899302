using Wayang.Fast.Gateway.Webhooks;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>When what failed is tried again: as docs/webhooks.md says.</summary>
[Trait("Promise", "COM6")]
public sealed class RetryScheduleTests
{
    private static readonly WebhookOptions s_usual = new();

    [Fact]
    public void Waits_grow_fourfold_up_to_six_hours_over_days()
    {
        var waits = Enumerable.Range(1, s_usual.Attempts - 1).Select(attempt => RetrySchedule.After(s_usual, attempt, null, 0.5)).ToList();
        Assert.Equal([5, 20, 80, 320, 1_280, 5_120, 20_480, 21_600, 21_600], waits.Take(9).Select(static w => w.TotalSeconds));
        Assert.InRange(waits.Aggregate(static (a, b) => a + b), TimeSpan.FromDays(2), TimeSpan.FromDays(4));
        Assert.Equal(TimeSpan.FromHours(6), RetrySchedule.After(s_usual, int.MaxValue, null, 0.5));
    }

    [Fact]
    public void Chance_spreads_them_by_a_fifth()
    {
        Assert.Equal(4, RetrySchedule.After(s_usual, 1, null, 0).TotalSeconds);
        Assert.Equal(6, RetrySchedule.After(s_usual, 1, null, 1).TotalSeconds, 6);
    }

    [Theory]
    [InlineData(120, 120)]
    [InlineData(1, 5)]
    [InlineData(-7, 5)]
    [InlineData(1_000_000, 86_400)]
    public void A_receiver_that_asks_for_more_time_gets_it_up_to_a_day(int asked, int seconds) =>
        Assert.Equal(seconds, RetrySchedule.After(s_usual, 1, TimeSpan.FromSeconds(asked), 0.5).TotalSeconds);
}
