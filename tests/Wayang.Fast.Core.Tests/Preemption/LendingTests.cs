using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Preemption;

/// <summary>What the scheduler tells of those that wait, and slots that are lent and taken again.</summary>
[Trait("Promise", "PS1")]
public sealed class LendingTests
{
    private readonly Scheduler _scheduler = new(new SchedulerOptions(1_000), new ManualTime(), seed: 1);

    [Fact]
    public void Who_waits_is_counted_by_level_over_all_blocks_of_its_queue()
    {
        var pool = _scheduler.AddPool();
        Assert.False(_scheduler.TryPeekNext(pool, out _, out _));
        Assert.Equal((-1, 0), (_scheduler.HighestReady(), _scheduler.QueuedFrom(pool, 0, 100)));
        for (var task = 0; task < 40; task++)
        {
            _scheduler.Enqueue(task, pool, (byte)(task < 30 ? 48 : 16), tenant: 0);
        }

        Assert.True(_scheduler.TryPeekNext(pool, out var next, out var level));
        Assert.Equal((0, 48, -1), (next, level, _scheduler.HighestReady()));
        Assert.Equal((30, 40, 7, 30), (_scheduler.QueuedFrom(pool, 40, 64), _scheduler.QueuedFrom(pool, 0, 64), _scheduler.QueuedFrom(pool, 40, 7), _scheduler.QueuedFrom(pool, 48, 64)));
        _scheduler.AddSlots(pool, 20);
        for (var i = 0; i < 20; i++)
        {
            Assert.True(_scheduler.TryDequeue(out _));
        }

        Assert.Equal(10, _scheduler.QueuedFrom(pool, 40, 64));
        Assert.True(_scheduler.TryPeekNext(pool, out next, out _) && next == 20);
        _scheduler.AddSlots(pool, 1);
        Assert.Equal(48, _scheduler.HighestReady());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_slot_that_was_lent_and_taken_again_is_given_back_once(bool tenants)
    {
        var pool = _scheduler.AddPool();
        if (tenants)
        {
            _scheduler.AddPool(tenant: 7);
        }

        _scheduler.NodeSlots = 1;
        _scheduler.AddSlots(pool, 1);
        _scheduler.Enqueue(1, pool, 16, tenant: 0);
        Assert.True(_scheduler.TryDequeue(out _));
        _scheduler.Enqueue(2, pool, 48, tenant: 0);
        Assert.False(_scheduler.TryDequeue(out _));
        _scheduler.AddSlots(pool, 1);
        _scheduler.Finish(pool, 16, 5);
        Assert.True(_scheduler.TryDequeue(out var urgent) && urgent.Task == 2);
        Assert.Equal((1, 1), (_scheduler.Outstanding, _scheduler.RunningOf(0)));

        // The frozen one ends: it takes its slot again, though none is free, and gives it back.
        _scheduler.AddSlots(pool, -1);
        _scheduler.Retake(pool, 16);
        Assert.Equal((2, true, -1), (_scheduler.Outstanding, _scheduler.IsNodeFull, _scheduler.FreeSlots(pool)));
        _scheduler.AddSlots(pool, 1);
        _scheduler.Finish(pool, 16, 5);
        Assert.Equal((1, 1, 0), (_scheduler.Outstanding, _scheduler.RunningOf(0), _scheduler.FreeSlots(pool)));
        _scheduler.AddSlots(pool, 1);
        _scheduler.Finish(pool, 48, 5);
        Assert.Equal((0, 0, 1), (_scheduler.Outstanding, _scheduler.RunningOf(0), _scheduler.FreeSlots(pool)));
    }
}
