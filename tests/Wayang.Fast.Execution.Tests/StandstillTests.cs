using System.Diagnostics;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution.Tests;

[Trait("Promise", "HM4")]
public sealed class StandstillTests
{
    private static long At(double seconds) => (long)((seconds + 100) * Stopwatch.Frequency);

    [Fact]
    public void What_stands_still_is_measured_and_what_moves_is_not()
    {
        var still = new Standstill(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, still.Look(At(0), 5, due: true));
        Assert.Equal(1, still.Look(At(1), 5, due: true).TotalSeconds, 3);
        Assert.Equal(2, still.Look(At(2), 5, due: true).TotalSeconds, 3);
        Assert.Equal(TimeSpan.Zero, still.Look(At(3), 6, due: true));
        Assert.Equal(1, still.Look(At(4), 6, due: true).TotalSeconds, 3);
        Assert.Equal(TimeSpan.Zero, still.Look(At(5), 6, due: false));
        Assert.Equal(TimeSpan.Zero, still.Look(At(6), 6, due: true));
    }

    [Fact]
    public void A_look_that_comes_late_itself_proves_nothing()
    {
        var still = new Standstill(TimeSpan.FromSeconds(2));
        still.Look(At(0), 5, due: true);
        still.Look(At(1), 5, due: true);
        Assert.Equal(TimeSpan.Zero, still.Look(At(60), 5, due: true));
        Assert.Equal(1, still.Look(At(61), 5, due: true).TotalSeconds, 3);
    }
}
