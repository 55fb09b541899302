using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Core.Tests.Diagnostics;

/// <summary>A wall clock that is set is seen, and forgets nothing early.</summary>
[Trait("Promise", "TR4")]
public class ClockTests
{
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);
    private readonly ManualTime _time = new();

    [Theory]
    [InlineData(3)]
    [InlineData(-3)]
    public void AJumpIsToldOnceAndTimeThatGoesByIsNone(int hours)
    {
        var watch = new ClockWatch(_time);
        _time.Advance(s_hour);
        Assert.Equal(TimeSpan.Zero, watch.Look());
        var before = watch.Now;
        _time.Advance(TimeSpan.FromSeconds(2));
        _time.Set(TimeSpan.FromHours(hours));
        Assert.Equal(before + TimeSpan.FromSeconds(2), watch.Now); // as if it had not been set
        Assert.Equal(TimeSpan.FromHours(hours), watch.Look());
        Assert.Equal(_time.GetUtcNow(), watch.Now);
        Assert.Equal(TimeSpan.Zero, watch.Look());
    }

    [Fact]
    public void SlewingIsFollowedAndNotTold()
    {
        var watch = new ClockWatch(_time);
        for (var i = 0; i < 10; i++)
        {
            _time.Set(TimeSpan.FromMilliseconds(400));
            Assert.Equal(TimeSpan.Zero, watch.Look());
        }

        Assert.Equal(_time.GetUtcNow(), watch.Now);
    }

    [Fact]
    public void WhatIsKeptForADayIsKeptForADayWhenTheClockGoesForward()
    {
        var clock = new RetentionClock(_time);
        var stamp = _time.GetUtcNow();
        var day = TimeSpan.FromDays(1);
        _time.Advance(s_hour);
        _time.Set(TimeSpan.FromDays(40));
        Assert.True(clock.Before(day) <= stamp);
        _time.Advance(day - s_hour - TimeSpan.FromMinutes(1));
        Assert.True(clock.Before(day) <= stamp);
        _time.Advance(s_hour + TimeSpan.FromMinutes(2)); // a day after the jump at the latest
        Assert.Equal(_time.GetUtcNow() - day, clock.Before(day));
    }

    [Fact]
    public void WhatWasStampedBetweenTwoJumpsIsNotForgottenEarlyEither()
    {
        var clock = new RetentionClock(_time);
        var day = TimeSpan.FromDays(1);
        var first = _time.GetUtcNow();
        _time.Set(-s_hour * 5);
        clock.Before(day);
        var between = _time.GetUtcNow();
        _time.Set(s_hour * 9);
        Assert.True(clock.Before(day) <= between - day + TimeSpan.FromTicks(1));
        Assert.True(clock.Before(day) <= first);
        _time.Set(-s_hour * 4); // and back: as if nothing had been
        Assert.Equal(_time.GetUtcNow() - day - s_hour * 5, clock.Before(day)); // what was stamped between the first two is off by five hours
    }
}
