using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Scheduling;

/// <summary>Tenants with pools of their own on a node whose slots are the bottleneck.</summary>
[Trait("Promise", "RA4")]
public class FairnessTests
{
    private const int Normal = 24;
    private readonly ManualTime _time = new();
    private readonly Scheduler _scheduler;
    private readonly List<(long Ends, ScheduledTask Task, long Began)> _running = [];
    private readonly Dictionary<int, int> _tenantOf = [];
    private readonly Dictionary<int, double> _served = [];
    private int _next;

    public FairnessTests() => _scheduler = new Scheduler(new SchedulerOptions(100_000), _time, 1);

    [Theory]
    [InlineData(1, 100, 100, 100)]
    [InlineData(2, 100, 200, 400)]
    [InlineData(4, 100, 200, 400)]
    [InlineData(16, 7, 300, 1000)]
    public void SlotTimeFollowsTheWeights(int slots, params int[] weights)
    {
        _scheduler.NodeSlots = slots;
        var pools = weights.Select((w, tenant) => AddPool(tenant, w, slots)).ToArray();

        Saturate(pools, milliseconds: 200_000, _ => 10);

        AssertShares(weights);
    }

    [Fact]
    public void TasksOfDifferentLengthsAreWeighedByTheirTime()
    {
        _scheduler.NodeSlots = 4;
        var pools = new[] { AddPool(0, 100, 8), AddPool(1, 200, 8), AddPool(2, 400, 8) };

        Saturate(pools, milliseconds: 400_000, tenant => tenant switch { 0 => 2, 1 => 90, _ => 11 });

        AssertShares([100, 200, 400]);
    }

    /// <summary>More pools, or more tasks, are no way to more slots.</summary>
    [Fact]
    public void TheNumberOfItsPoolsGivesATenantNothing()
    {
        _scheduler.NodeSlots = 3;
        var pools = Enumerable.Range(0, 9).Select(_ => AddPool(0, 100, 4)).Append(AddPool(1, 100, 4)).ToArray();

        Saturate(pools, milliseconds: 60_000, _ => 7);

        AssertShares([100, 100]);
    }

    [Fact]
    public void WhatNobodyElseWantsIsGivenAndNotOwed()
    {
        _scheduler.NodeSlots = 2;
        var first = AddPool(0, 100, 4);
        var second = AddPool(1, 100, 4);
        Saturate([first], milliseconds: 60_000, _ => 10);
        Assert.Equal(120, _served[0], 1.0);
        _served.Clear();

        Saturate([first, second], milliseconds: 10_000, _ => 10);

        AssertShares([100, 100]); // the first does not pay for the minute, nor did the second save it up
    }

    [Fact]
    public void ABoundOfRunningTasksHoldsItsTenantAndNobodyElse()
    {
        _scheduler.NodeSlots = 8;
        var bounded = AddPool(0, 1000, 8);
        var free = AddPool(1, 1, 8);
        _scheduler.SetShare(0, new TenantShare(1000, MaxRunning: 2));

        Saturate([bounded, free], milliseconds: 5_000, _ => 10);
        while (_scheduler.TryDequeue(out _))
        {
            // all slots are taken
        }

        Assert.True(_scheduler.IsHeld(bounded));
        Assert.False(_scheduler.IsHeld(free));
        Assert.Equal(2, _scheduler.RunningOf(0));
        Assert.Equal(6, _scheduler.RunningOf(1));
        _scheduler.SetShare(0, new TenantShare(1000));
        Assert.False(_scheduler.IsHeld(bounded));
    }

    [Fact]
    public void ABoundWithOneTenantAloneIsKeptToo()
    {
        _scheduler.SetShare(5, new TenantShare(100, MaxRunning: 1));
        var pool = AddPool(5, 100, 4);
        _scheduler.SetShare(5, new TenantShare(100, MaxRunning: 1));
        Assert.True(_scheduler.TryPass(pool, Normal));
        Assert.False(_scheduler.TryPass(pool, Normal));
        _scheduler.Enqueue(1, pool, 55, 5);
        Assert.False(_scheduler.TryDequeue(out _));

        _scheduler.Finish(pool, Normal, -1);

        Assert.True(_scheduler.TryDequeue(out var item));
        Assert.Equal(1, item.Task);
    }

    /// <summary>A tenant that comes while another one's tasks run: those are counted from then on as what they are.</summary>
    [Fact]
    public void TenantsAreToldApartFromTheSecondOn()
    {
        var first = AddPool(0, 100, 4);
        Assert.True(_scheduler.TryPass(first, Normal));
        Assert.False(_scheduler.IsFair);
        Assert.Equal(1, _scheduler.RunningOf(0));
        _scheduler.Enqueue(1, first, Normal, 0);

        var second = AddPool(1, 100, 4);

        Assert.True(_scheduler.IsFair);
        Assert.Equal(1, _scheduler.RunningOf(0));
        _scheduler.Finish(first, Normal, 1_000);
        Assert.Equal(0, _scheduler.RunningOf(0));
        _scheduler.Enqueue(2, second, 55, 1);
        Assert.True(_scheduler.TryDequeue(out var item));
        Assert.Equal((2, 55), (item.Task, item.Level));
        Assert.True(_scheduler.TryDequeue(out item));
        Assert.Equal(1, item.Task);
    }

    /// <summary>Strict levels first, shares only inside one.</summary>
    [Fact]
    public void AHigherLevelGoesFirstWhateverItsTenantHasHad()
    {
        _scheduler.NodeSlots = 1;
        var greedy = AddPool(0, 1, 4);
        var modest = AddPool(1, 1000, 4);
        Saturate([greedy, modest], milliseconds: 1_000, _ => 10);
        Drain();
        _scheduler.Enqueue(1, modest, Normal, 1);
        _scheduler.Enqueue(2, greedy, Normal + 1, 0);

        Assert.True(_scheduler.TryDequeue(out var item));
        Assert.Equal(2, item.Task);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(36)]
    public void NothingStarvesBesideAHigherClassThatNeverEnds(int level)
    {
        _scheduler.NodeSlots = 1;
        var busy = AddPool(0, 100, 2);
        var starving = AddPool(1, 100, 2);
        const int victim = 99_999;
        _scheduler.Enqueue(victim, starving, (byte)level, 1);
        var options = new SchedulerOptions(1);
        var bound = options.NormalBound + options.UrgentBound + TimeSpan.FromSeconds(1);
        bound += level < 8 ? options.IdleBound + options.BatchBound : TimeSpan.Zero;

        // The strongest neighbour there may be: the highest level that is not the runtime's own, always waiting.
        for (var at = TimeSpan.Zero; at < bound; at += TimeSpan.FromMilliseconds(100))
        {
            _scheduler.Advance();
            Fill(busy, 55, 4);
            Assert.True(_scheduler.TryDequeue(out var item));
            if (item.Task == victim)
            {
                Assert.Equal(55, item.Level);
                return;
            }

            _time.Advance(TimeSpan.FromMilliseconds(100));
            _scheduler.Finish(item.Pool, item.Level, TimeSpan.TicksPerMillisecond * 100);
            _scheduler.AddSlots(item.Pool, 1);
        }

        Assert.Fail($"a task of level {level} waited longer than {bound}");
    }

    private int AddPool(int tenant, int weight, int slots)
    {
        var pool = _scheduler.AddPool(tenant);
        _scheduler.SetShare(tenant, new TenantShare(weight));
        _scheduler.AddSlots(pool, slots);
        _tenantOf[pool] = tenant;
        return pool;
    }

    /// <summary>Runs tasks for a while; each pool always has some waiting.</summary>
    private void Saturate(int[] pools, long milliseconds, Func<int, int> length)
    {
        var now = 0L;
        while (now < milliseconds)
        {
            foreach (var pool in pools)
            {
                Fill(pool, Normal, 20);
            }

            while (_scheduler.TryDequeue(out var item))
            {
                _running.Add((now + length(_tenantOf[item.Pool]), item, now));
            }

            var next = _running.Min(static r => r.Ends);
            _time.Advance(TimeSpan.FromMilliseconds(next - now));
            now = next;
            foreach (var ended in _running.Where(r => r.Ends == now).ToList())
            {
                _running.Remove(ended);
                End(ended.Task, now - ended.Began);
            }
        }

        foreach (var left in _running.Skip(Math.Min(_running.Count, _scheduler.NodeSlots)).ToList())
        {
            _running.Remove(left);
            End(left.Task, now - left.Began);
        }

        // What runs goes on: the next phase counts it from zero.
        for (var i = 0; i < _running.Count; i++)
        {
            _running[i] = _running[i] with { Ends = _running[i].Ends - now, Began = _running[i].Began - now };
        }
    }

    private void End(ScheduledTask task, long milliseconds)
    {
        var tenant = _tenantOf[task.Pool];
        _served[tenant] = _served.GetValueOrDefault(tenant) + (milliseconds / 1e3);
        _scheduler.AddSlots(task.Pool, 1);
        _scheduler.Finish(task.Pool, task.Level, milliseconds * TimeSpan.TicksPerMillisecond);
    }

    private void Drain()
    {
        while (_running.Count > 0 || _scheduler.Queued > 0)
        {
            while (_scheduler.TryDequeue(out var item))
            {
                _running.Add((0, item, 0));
            }

            foreach (var running in _running)
            {
                End(running.Task, 1);
            }

            _running.Clear();
        }
    }

    private void Fill(int pool, byte level, int depth)
    {
        while (_scheduler.QueuedIn(pool) < depth)
        {
            _scheduler.Enqueue(_next++ % 90_000, pool, level, _tenantOf[pool]);
        }
    }

    private void AssertShares(int[] weights)
    {
        var all = _served.Values.Sum();
        for (var tenant = 0; tenant < weights.Length; tenant++)
        {
            var fair = (double)weights[tenant] / weights.Sum();
            Assert.InRange(_served[tenant] / all, fair * 0.97, fair * 1.03);
        }
    }
}
