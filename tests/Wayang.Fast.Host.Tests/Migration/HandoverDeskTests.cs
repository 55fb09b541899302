using Wayang.Fast.Cluster.Migration;
using Xunit;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>Who comes to a move that is nearly over waits for it, and not to one whose call goes on elsewhere.</summary>
[Trait("Promise", "PS2")]
public sealed class HandoverDeskTests
{
    private readonly HandClock _clock = new();
    private readonly TaskCompletionSource _over = new();

    [Fact]
    public async Task A_move_that_is_over_is_over_wherever_the_call_is()
    {
        _over.SetResult();
        Assert.True(await HandoverDesk.IsOverSoonAsync(_over.Task, isAway: false, _clock));
        Assert.True(await HandoverDesk.IsOverSoonAsync(_over.Task, isAway: true, _clock));
    }

    [Fact]
    public async Task A_call_that_goes_on_elsewhere_is_not_waited_for()
    {
        var asked = HandoverDesk.IsOverSoonAsync(_over.Task, isAway: true, _clock);
        Assert.True(asked.IsCompleted); // the clock stands still
        Assert.False(await asked);
    }

    [Fact]
    public async Task Last_words_are_waited_for_and_found()
    {
        var asked = HandoverDesk.IsOverSoonAsync(_over.Task, isAway: false, _clock);
        _clock.Advance(HandoverDesk.Soon - TimeSpan.FromTicks(1));
        Assert.False(asked.IsCompleted);
        _over.SetResult();
        Assert.True(await asked);
    }

    [Fact]
    public async Task Last_words_that_do_not_come_are_given_up()
    {
        var asked = HandoverDesk.IsOverSoonAsync(_over.Task, isAway: false, _clock);
        _clock.Advance(HandoverDesk.Soon);
        Assert.False(await asked);
    }
}
