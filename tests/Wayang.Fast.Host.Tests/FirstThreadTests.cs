using Wayang.Fast.Host.Monitoring;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>Who answers callers goes first while it does little.</summary>
[Trait("Promise", "IM3")]
public sealed class FirstThreadTests
{
    private const long Period = 200_000_000;

    private readonly FirstThread _thread = new();
    private long _used;

    [Fact]
    public void It_goes_first_from_the_first_look()
    {
        Assert.True(Look(0.9)); // whatever it did before
        Assert.True(_thread.IsFirst);
    }

    [Fact]
    public void Who_is_busy_is_ordinary_and_goes_first_again_after_some_calm_looks()
    {
        Look(0);
        Assert.False(Look(FirstThread.Busy - 0.01));
        Assert.True(Look(FirstThread.Busy + 0.01));
        Assert.False(_thread.IsFirst);
        for (var look = 1; look < FirstThread.Looks; look++)
        {
            Assert.False(Look(FirstThread.Calm - 0.01));
        }

        Assert.False(Look(FirstThread.Calm + 0.01)); // counted from anew
        for (var look = 1; look < FirstThread.Looks; look++)
        {
            Assert.False(Look(0));
        }

        Assert.True(Look(0));
        Assert.True(_thread.IsFirst);
    }

    private bool Look(double part) => _thread.Look(_used += (long)(part * Period), Period);
}
