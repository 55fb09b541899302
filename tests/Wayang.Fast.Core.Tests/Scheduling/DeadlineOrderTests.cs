using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Scheduling;

/// <summary>Of a level and tenant the earliest deadline goes first.</summary>
[Trait("Promise", "PS1")]
public class DeadlineOrderTests
{
    private readonly ManualTime _time = new();
    private readonly Scheduler _scheduler;
    private readonly int _pool;

    public DeadlineOrderTests()
    {
        _scheduler = new Scheduler(
            new SchedulerOptions(100_000) { BatchBound = TimeSpan.FromMilliseconds(500), AgeingInterval = TimeSpan.FromMilliseconds(10) }, _time, 1);
        _pool = _scheduler.AddPool();
    }

    [Fact]
    public void EarliestFirstThenThoseWithoutOneInTheirOrder()
    {
        (int Task, long Deadline)[] tasks = [(1, 0), (2, 300), (3, 100), (4, 0), (5, 200), (6, 100)];
        foreach (var (task, deadline) in tasks)
        {
            _scheduler.Enqueue(task, _pool, 32, 0, deadline);
        }

        Assert.True(_scheduler.TryPeekNext(_pool, out var next, out _));
        Assert.Equal(3, next);
        Assert.Equal(6, _scheduler.QueuedFrom(_pool, 0, 100));
        Assert.Equal(2, _scheduler.QueuedFrom(_pool, 0, 2));
        Assert.Equal([3, 6, 5, 2, 1, 4], TakeAll());
        Assert.Equal(0, _scheduler.Queued);
    }

    [Fact]
    public void ADeadlineChangesNothingBetweenLevels()
    {
        _scheduler.Enqueue(1, _pool, 10, 0, deadline: 1);
        _scheduler.Enqueue(2, _pool, 11, 0);
        _scheduler.Enqueue(3, _pool, 12, 0, deadline: 1_000_000);
        Assert.Equal([3, 2, 1], TakeAll());
    }

    [Fact]
    public void AnyOrderComesOutSorted()
    {
        var random = new Random(7);
        var deadlines = Enumerable.Range(0, 10_000).Select(_ => (long)random.Next(1, 3000)).ToArray();
        for (var i = 0; i < deadlines.Length; i++)
        {
            _scheduler.Enqueue(i, _pool, 32, 0, deadlines[i]);
        }

        Assert.Equal(Enumerable.Range(0, deadlines.Length).OrderBy(i => deadlines[i]).ThenBy(static i => i), TakeAll());
    }

    /// <summary>A stream of deadlines without end must not keep for ever what has none.</summary>
    [Fact]
    public void WhatHasNoDeadlineIsNotStarvedByWhatHasOne()
    {
        _scheduler.Enqueue(0, _pool, 55, 0);
        var passed = 0;
        for (var task = 1; ; task++)
        {
            _scheduler.Enqueue(task, _pool, 55, 0, deadline: task);
            _scheduler.AddSlots(_pool, 1);
            Assert.True(_scheduler.TryPeekNext(_pool, out var next, out _));
            Assert.True(_scheduler.TryDequeue(out var item));
            Assert.Equal(next, item.Task);
            if (item.Task == 0)
            {
                break;
            }

            passed++;
        }

        Assert.Equal(Scheduler.MostDueInARow, passed);
    }

    [Fact]
    public void AgeingTakesTheDeadlineAlong()
    {
        _scheduler.Enqueue(1, _pool, 8, 0, deadline: 900);
        _scheduler.Enqueue(2, _pool, 8, 0);
        _scheduler.Enqueue(3, _pool, 8, 0, deadline: 800);
        _time.Advance(TimeSpan.FromMilliseconds(600));
        _scheduler.Advance();
        _scheduler.Enqueue(4, _pool, 24, 0, deadline: 850);
        _scheduler.AddSlots(_pool, 10);
        foreach (var (task, level) in new[] { (3, 24), (4, 24), (1, 24), (2, 24) })
        {
            Assert.True(_scheduler.TryDequeue(out var item));
            Assert.Equal((task, level), (item.Task, item.Level));
        }
    }

    [Fact]
    public void AKnownNumberOfDeadlinesNeedsNoAllocation()
    {
        _scheduler.AddSlots(_pool, int.MaxValue / 4);
        Fill();

        // The least of some tries: a collection that others cause, or code that is compiled anew, is charged to whoever runs then.
        var least = long.MaxValue;
        for (var tries = 0; tries < 5 && least > 0; tries++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var round = 0; round < 100; round++)
            {
                Fill();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    private void Fill()
    {
        for (var i = 0; i < 200; i++)
        {
            _scheduler.Enqueue(i, _pool, 32, 0, deadline: (i * 7919 % 200) + 1);
        }

        while (_scheduler.TryDequeue(out _))
        {
        }
    }

    private List<int> TakeAll()
    {
        _scheduler.AddSlots(_pool, 100_000);
        var tasks = new List<int>();
        while (_scheduler.TryDequeue(out var item))
        {
            tasks.Add(item.Task);
        }

        return tasks;
    }
}
