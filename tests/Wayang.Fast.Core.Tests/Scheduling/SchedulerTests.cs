using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Scheduling;

public class SchedulerTests
{
    private readonly ManualTime _time = new();
    private readonly Scheduler _scheduler;

    public SchedulerTests() => _scheduler = new Scheduler(new SchedulerOptions(1000), _time, 1);

    private List<int> DequeueAll()
    {
        var tasks = new List<int>();
        while (_scheduler.TryDequeue(out var item))
        {
            tasks.Add(item.Task);
        }

        return tasks;
    }

    [Fact]
    [Trait("Promise", "PS1")]
    public void HigherLevelsFirstThenFirstInFirstOut()
    {
        var pool = _scheduler.AddPool();
        for (var i = 0; i < 100; i++)
        {
            _scheduler.Enqueue(i, pool, (byte)(i % 4), tenant: 0);
        }

        Assert.False(_scheduler.TryDequeue(out _)); // no slot
        _scheduler.AddSlots(pool, 1000);
        Assert.Equal(Enumerable.Range(0, 100).OrderByDescending(static i => i % 4).ThenBy(static i => i), DequeueAll());
        Assert.Equal(900, _scheduler.FreeSlots(pool));
        Assert.Equal(0, _scheduler.Queued);
    }

    [Fact]
    [Trait("Promise", "PS1")]
    public void AFullPoolBlocksNoOther()
    {
        var full = _scheduler.AddPool();
        var open = _scheduler.AddPool();
        _scheduler.AddSlots(open, 1);
        _scheduler.Enqueue(1, full, 60, 0);
        _scheduler.Enqueue(2, open, 3, 0);
        Assert.Equal([2], DequeueAll());
        _scheduler.AddSlots(full, 1);
        Assert.Equal([1], DequeueAll());
    }

    [Fact]
    [Trait("Promise", "PS1")]
    [Trait("Promise", "CFG")]
    public void TheNodesSlotsGoToTheHighestOfAllPools()
    {
        int[] pools = [_scheduler.AddPool(), _scheduler.AddPool()];
        _scheduler.AddSlots(pools[0], 10);
        _scheduler.AddSlots(pools[1], 10);
        _scheduler.NodeSlots = 2;
        for (var i = 0; i < 6; i++)
        {
            _scheduler.Enqueue(i, pools[i % 2], (byte)(i * 10), tenant: 0);
        }

        Assert.Equal([5, 4], DequeueAll());
        Assert.Equal(2, _scheduler.Outstanding);
        _scheduler.AddSlots(pools[0], 1); // a slot of a pool is none of the node's
        Assert.Empty(DequeueAll());
        _scheduler.Finish(pools[0], 0, 0);
        Assert.Equal([3], DequeueAll());

        _scheduler.NodeSlots = 1; // fewer than are out
        _scheduler.Finish(pools[0], 0, 0);
        Assert.Empty(DequeueAll());
        _scheduler.Finish(pools[0], 0, 0);
        Assert.Equal([2], DequeueAll());
        _scheduler.NodeSlots = Scheduler.Unbounded;
        Assert.Equal([1, 0], DequeueAll());
    }

    [Fact]
    public void EqualPoolsAndTenantsTakeTurns()
    {
        var pools = new[] { _scheduler.AddPool(), _scheduler.AddPool(), _scheduler.AddPool() };
        for (var i = 0; i < 9; i++)
        {
            _scheduler.Enqueue(i, pools[i / 3], 30, 0);
        }

        Array.ForEach(pools, p => _scheduler.AddSlots(p, 100));
        Assert.Equal([0, 3, 6, 1, 4, 7, 2, 5, 8], DequeueAll());

        for (var i = 0; i < 9; i++)
        {
            _scheduler.Enqueue(i, pools[0], 30, tenant: i / 4); // 4 of tenant 0, 4 of tenant 1, 1 of tenant 2
        }

        Assert.Equal([0, 4, 8, 1, 5, 2, 6, 3, 7], DequeueAll());
    }

    [Fact]
    public void AgeingLiftsOneClassAtATimeAndNeverIntoSystem()
    {
        var pool = _scheduler.AddPool();
        _scheduler.Enqueue(1, pool, 4, 0);
        var seen = new List<int>();
        foreach (var wait in new[] { 0, 301, 61, 16, 100_000 })
        {
            _time.Advance(TimeSpan.FromSeconds(wait));
            _scheduler.Advance();
            _scheduler.AddSlots(pool, 1);
            Assert.True(_scheduler.TryDequeue(out var item));
            seen.Add(item.Level);
            _scheduler.Enqueue(1, pool, item.Level, 0);
        }

        Assert.Equal([4, 20, 36, 52, 55], seen);
        _scheduler.TryDequeue(out _);
        _scheduler.Enqueue(2, pool, 39, 0);
        _time.Advance(TimeSpan.FromSeconds(16));
        _scheduler.Advance();
        _scheduler.AddSlots(pool, 2);
        Assert.True(_scheduler.TryDequeue(out var first));
        Assert.Equal((1, 55), (first.Task, first.Level)); // it waited there before
        Assert.True(_scheduler.TryDequeue(out var highest));
        Assert.Equal((2, 55), (highest.Task, highest.Level));
    }

    [Fact]
    public void RemovingAPoolHandsOutItsTasksAndItsNumberIsUsedAgain()
    {
        var pool = _scheduler.AddPool();
        _scheduler.AddSlots(pool, 3);
        for (var i = 0; i < 40; i++)
        {
            _scheduler.Enqueue(i, pool, (byte)(i % 2), i % 3);
        }

        var orphans = new List<int>();
        _scheduler.RemovePool(pool, orphans.Add);
        Assert.Equal(Enumerable.Range(0, 40), orphans.Order());
        Assert.All(orphans.Take(20), static i => Assert.Equal(1, i % 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => _scheduler.Enqueue(1, pool, 0, 0));
        Assert.False(_scheduler.TryDequeue(out _));
        Assert.Equal(pool, _scheduler.AddPool());
        Assert.Equal(0, _scheduler.FreeSlots(pool));
    }

    [Fact]
    public void TheNumberOfWaitingTasksIsBounded()
    {
        var pool = _scheduler.AddPool();
        for (var i = 0; i < 1000; i++)
        {
            _scheduler.Enqueue(i, pool, 0, tenant: i);
        }

        Assert.Throws<InvalidOperationException>(() => _scheduler.Enqueue(0, pool, 0, 0));
        _scheduler.AddSlots(pool, 2000);
        Assert.Equal(1000, DequeueAll().Count);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(700)]
    [Trait("Promise", "PS1")]
    public void ManyPoolsAreServedByLevelAndInTurn(int count)
    {
        var random = new Random(count);
        var scheduler = new Scheduler(new SchedulerOptions(count * 4), _time, 1);
        var waiting = new List<byte>[count];
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, scheduler.AddPool());
            scheduler.AddSlots(i, random.Next(2)); // half of them can run nothing yet
            waiting[i] = [];
        }

        for (var task = 0; task < count * 4; task++)
        {
            var pool = task % count;
            var level = (byte)(random.Next(3) * 31);
            scheduler.Enqueue(task, pool, level, 0);
            waiting[pool].Add(level);
        }

        for (var i = 0; i < count; i++)
        {
            scheduler.AddSlots(i, 4 - scheduler.FreeSlots(i));
        }

        var servedSince = new HashSet<int>(); // pools that were served while the same level was the highest of all
        var at = byte.MaxValue;
        while (scheduler.TryDequeue(out var item))
        {
            Assert.Equal(waiting.Max(static w => w.Count == 0 ? -1 : w.Max()), item.Level);
            if (item.Level != at || waiting.Index().All(w => !w.Item.Contains(item.Level) || servedSince.Contains(w.Index)))
            {
                servedSince.Clear();
                at = item.Level;
            }

            Assert.True(waiting[item.Pool].Remove(item.Level));
            Assert.True(servedSince.Add(item.Pool), "a pool had two turns while another one waited");
        }

        Assert.All(waiting, Assert.Empty);
    }

    [Fact]
    public void TenantsThatComeAndGoLeaveNothingBehind()
    {
        var pool = _scheduler.AddPool();
        _scheduler.AddSlots(pool, 1 << 20);
        long before = 0;
        for (var round = 0; round < 200; round++)
        {
            if (round == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            for (var i = 0; i < 900; i++)
            {
                _scheduler.Enqueue(i, pool, (byte)(i & 1), tenant: (round * 450) + (i >> 1)); // more than are kept idle
            }

            for (var i = 0; i < 900; i++)
            {
                Assert.True(_scheduler.TryDequeue(out var item));
                if (item.Task != ((i % 450) * 2) + (i < 450 ? 1 : 0))
                {
                    Assert.Fail($"task {item.Task} came at place {i}");
                }
            }
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(0, _scheduler.Queued);
    }
}
