using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Core.Tests.Simulation;

namespace Wayang.Fast.Core.Tests.Sizing;

/// <summary>From what a pool does to how many workers it should have.</summary>
[Trait("Promise", "RA4")]
public sealed class PoolSizingTests
{
    private static readonly PoolBounds s_bounds = new(Most: 64, Spares: 1, Concurrency: 1, Processors: 16, HoldSeconds: 60, WarmUp: false);

    [Theory]
    [InlineData(10, 0.4, 1, 4 + 2)] // four in service on average, and their square root
    [InlineData(100, 0.09, 1, 9 + 3)]
    [InlineData(100, 0.09, 4, 3 + 1)] // four at once in a worker, and the spare
    public void Steady_load_wants_what_it_occupies_and_the_square_root_of_it(int rate, double service, int concurrency, int wanted)
    {
        var sizing = new PoolSizing(new HourRhythm());
        var bounds = s_bounds with { Concurrency = concurrency };
        PoolPlan plan = default;
        for (var second = 0; second < 100; second++)
        {
            plan = sizing.Look(Sample(second, rate, service) with { Waited = true, Workers = 1 }, bounds);
        }

        Assert.Equal(service, sizing.ServiceSeconds, 3);
        Assert.Equal(rate * service, sizing.Load, 3);
        Assert.Equal(wanted, plan.Wanted);
        Assert.Equal(wanted - 1, plan.Start);
    }

    [Fact]
    public void A_caller_who_never_waits_gets_no_second_worker()
    {
        var sizing = new PoolSizing(new HourRhythm());
        for (var second = 0; second < 300; second++)
        {
            // The one worker is busy nearly all the time.
            var sample = Sample(second, 10_000, 0.000095) with { Workers = 1, Used = 1, Waiting = second == 0 ? 1 : 0 }; // at first there is none
            var plan = sizing.Look(sample, s_bounds with { Spares = 0, WarmUp = true });
            Assert.Equal((1, 0, 0), (plan.Wanted, plan.Start, plan.Leave));
        }
    }

    [Fact]
    public void Caution_goes_to_the_processors_and_need_beyond_them()
    {
        var few = s_bounds with { Processors = 4 };
        var sizing = new PoolSizing(new HourRhythm());
        PoolPlan plan = default;
        for (var second = 0; second < 100; second++)
        {
            plan = sizing.Look(Sample(second, 3, 1) with { Waited = true }, few with { Spares = 0 });
        }

        Assert.Equal(4, plan.Wanted); // not 3 + 1.7, rounded up
        plan = sizing.Look(Sample(100, 3, 1) with { Waited = true, Used = 20 }, few);
        Assert.Equal(21, plan.Wanted); // and the spare
        Assert.Equal(64, sizing.Look(Sample(101, 3, 1) with { Waited = true, Used = 200 }, few).Wanted);
    }

    [Theory]
    [InlineData(1, 0)] // gone within the time of a start
    [InlineData(40, 2)] // 40 seconds of work in two workers: 20 s; a start takes 10
    [InlineData(300, 28)]
    public void What_waits_longer_than_a_start_takes_gets_workers(int waiting, int more)
    {
        var sizing = new PoolSizing(new HourRhythm());
        var bounds = s_bounds with { Spares = 0, Processors = 1 };
        for (var second = 0; second < 60; second++)
        {
            sizing.Look(Sample(second, 2, 1) with { Workers = 2, Used = 2 }, bounds);
        }

        var plan = sizing.Look(Sample(60, 2, 1) with { Workers = 2, Used = 2, Waiting = waiting, Waited = true, StartSeconds = 10 }, bounds);
        Assert.Equal(2 + more, plan.Wanted);
        Assert.Equal(more, plan.Start);
    }

    [Fact]
    public void Workers_leave_late_and_a_quarter_at_a_time()
    {
        var sizing = new PoolSizing(new HourRhythm());
        for (var second = 0; second < 30; second++)
        {
            sizing.Look(Sample(second, 16, 1) with { Workers = 16, Used = 16 }, s_bounds);
        }

        var workers = 16;
        var leaving = new List<int>();
        for (var second = 30; second < 400; second++)
        {
            var plan = sizing.Look(Sample(second, 0, 1) with { Workers = workers }, s_bounds);
            Assert.True(second >= 30 + 52 || plan.Leave == 0, $"{plan.Leave} may leave after {second - 30} s"); // a part of the hold time is the least
            Assert.InRange(plan.Leave, 0, Math.Max(1, workers / 4));
            leaving.Add(plan.Leave);
            workers -= plan.Leave;
        }

        Assert.Equal(1, workers); // the spare
        Assert.True(leaving.Count(static l => l > 0) >= 4);
    }

    /// <summary>A load that swings faster than the hold time changes nothing.</summary>
    [Fact]
    public void Swings_are_no_reason_to_end_and_start_workers()
    {
        var calls = new List<SimulatedCall>();
        for (var swing = 0; swing < 60; swing++)
        {
            for (var i = 0; i < 80; i++)
            {
                calls.Add(new SimulatedCall((swing * 40) + (i * 0.125), 0.75)); // six at once for ten seconds, and thirty of none
            }
        }

        var settled = new PoolSimulation(s_bounds, 0.5).Run(calls.Where(static c => c.At < 200), 200).Started;
        var pool = new PoolSimulation(s_bounds, 0.5).Run(calls, 2400);
        Assert.Equal(settled, pool.Started);
        Assert.Equal(7, pool.Workers); // and the spare
    }

    [Fact]
    public void Under_pressure_nothing_is_started_and_workers_leave_sooner()
    {
        var sizing = new PoolSizing(new HourRhythm());
        for (var second = 0; second < 30; second++)
        {
            sizing.Look(Sample(second, 8, 1) with { Workers = 8, Used = 8 }, s_bounds);
        }

        var plan = sizing.Look(Sample(30, 40, 1) with { Workers = 8, Used = 8, Waiting = 100, Waited = true, StartSeconds = 0.1, Pressed = true }, s_bounds);
        Assert.Equal((0, 0), (plan.Start, plan.Ahead));
        for (var second = 31; second < 100; second++)
        {
            plan = sizing.Look(Sample(second, 0, 1) with { Workers = 8, Pressed = true }, s_bounds);
        }

        Assert.Equal((0, 4, 15), (plan.Wanted, plan.Leave, plan.IdleSeconds)); // half of them, after a quarter of the time, and no spare
    }

    [Fact]
    public void Under_pressure_a_pool_without_workers_gets_one()
    {
        Assert.Equal(1, PoolSizing.OnDemand(s_bounds, waiting: 50, free: 0, workers: 0, starting: 0, oneEach: true, pressed: true));
        Assert.Equal(0, PoolSizing.OnDemand(s_bounds, waiting: 50, free: 0, workers: 0, starting: 1, oneEach: true, pressed: true));
        Assert.Equal(0, PoolSizing.OnDemand(s_bounds, waiting: 0, free: 0, workers: 0, starting: 0, oneEach: false, pressed: true));
        var calls = Enumerable.Range(0, 20).Select(static i => new SimulatedCall(i * 0.1, 0.5)).ToArray();
        var pool = new PoolSimulation(s_bounds, 0.5) { Pressed = true }.Run(calls, 60);
        Assert.Equal((1, 1), (pool.Started, pool.MostWorkers));
    }

    [Theory]
    [InlineData(10, 0, 0, 0, 1)] // the first
    [InlineData(10, 0, 1, 0, 1)] // doublings
    [InlineData(10, 0, 4, 1, 3)]
    [InlineData(2, 0, 4, 0, 2)]
    [InlineData(0, 0, 3, 0, 1)] // a spare
    [InlineData(0, 1, 3, 0, 0)]
    [InlineData(100, 0, 60, 0, 4)] // the bound
    public void What_waits_is_answered_in_doublings(int waiting, int free, int workers, int starting, int count) =>
        Assert.Equal(count, PoolSizing.OnDemand(s_bounds, waiting, free, workers, starting, oneEach: false, pressed: false));

    [Fact]
    public void Workers_of_one_call_come_one_for_each() =>
        Assert.Equal(11, PoolSizing.OnDemand(s_bounds, 10, 0, 3, 0, oneEach: true, pressed: false));

    private static PoolSample Sample(int second, int rate, double service) => new()
    {
        Seconds = 1,
        Arrivals = rate,
        Ended = rate,
        EndedSeconds = rate * service,
        BusySeconds = rate * service,
        UnixSeconds = second,
    };
}
