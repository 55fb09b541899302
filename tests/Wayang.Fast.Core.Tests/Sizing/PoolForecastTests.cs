using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Core.Tests.Simulation;

namespace Wayang.Fast.Core.Tests.Sizing;

/// <summary>What a pool does before its calls come: simulated, with a seed where there is chance.</summary>
[Trait("Promise", "RA2")]
public sealed class PoolForecastTests
{
    private const double Hour = 3600;
    private const int Seed = 20261126;

    private static readonly PoolBounds s_bounds = new(Most: 32, Spares: 1, Concurrency: 1, Processors: 8, HoldSeconds: 60, WarmUp: true);

    [Theory]
    [InlineData(15, 12)] // minutes between bursts, calls of one
    [InlineData(10, 20)]
    [InlineData(60, 6)]
    public void With_a_rhythm_at_most_half_as_many_calls_wait_for_a_start(int minutes, int calls)
    {
        const double hours = 12;
        var bursts = Bursts(Enumerable.Range(0, (int)(hours * 60 / minutes)).Select(i => (i * minutes * 60.0) + 7.5), calls).ToArray();

        var without = new PoolSimulation(s_bounds with { WarmUp = false }, startSeconds: 1.5).Run(bursts, hours * Hour);
        var with = new PoolSimulation(s_bounds, startSeconds: 1.5).Run(bursts, hours * Hour);

        Assert.True(without.WaitShare > 0.5, $"only {without.WaitShare:P1} wait without a forecast: nothing would be shown");
        Assert.True(with.WaitShare <= without.WaitShare / 2, $"{with.WaitShare:P1} wait, {without.WaitShare:P1} without");
        Assert.True(with.StartedAhead > 0);
        Assert.InRange(with.MostWorkers, calls, calls + 2);
    }

    [Fact]
    public void What_was_learned_serves_after_a_restart()
    {
        var bursts = Bursts(Enumerable.Range(0, 24).Select(static i => (i * 600) + 7.5), 12).ToArray();
        var learned = new HourRhythm();
        new PoolSimulation(s_bounds, 1.5, learned).Run(bursts, 4 * Hour);
        var bytes = new byte[HourRhythm.SerializedBytes];
        learned.Write(bytes);
        var restored = new HourRhythm();
        Assert.True(restored.TryRead(bytes));

        var anew = new PoolSimulation(s_bounds, 1.5).Run(bursts.Take(6 * 12), Hour);
        var after = new PoolSimulation(s_bounds, 1.5, restored).Run(bursts.Take(6 * 12), Hour);

        Assert.True(after.Waits * 4 < anew.Waits, $"{after.Waits} of {after.Calls} wait, {anew.Waits} without what was learned");
    }

    /// <summary>Bursts that come when they like: at most half a worker more is idle on average than without any forecast.</summary>
    [Theory]
    [InlineData(4)] // bursts an hour
    [InlineData(12)]
    [InlineData(30)]
    public void Chance_alone_keeps_few_workers_idle(int burstsAnHour)
    {
        const double hours = 24;
        var random = new Random(Seed);
        var times = Enumerable.Range(0, (int)(burstsAnHour * hours)).Select(_ => random.NextDouble() * hours * Hour).Order().ToArray();
        var bursts = Bursts(times, 10).ToArray();

        var without = new PoolSimulation(s_bounds with { WarmUp = false }, 1.5).Run(bursts, hours * Hour);
        var with = new PoolSimulation(s_bounds, 1.5).Run(bursts, hours * Hour);

        var more = (with.IdleSeconds - without.IdleSeconds) / (hours * Hour);
        Assert.True(more <= 0.5, $"{more:F2} more workers are idle on average (seed {Seed})");
        Assert.InRange(with.MostWorkers, 1, without.MostWorkers + 2);
    }

    [Fact]
    public void Steady_noise_keeps_no_more_idle_than_caution_does()
    {
        var random = new Random(Seed);
        var calls = new List<SimulatedCall>();
        for (var at = 0.0; at < 6 * Hour;)
        {
            at += -Math.Log(1 - random.NextDouble()) / 2; // two a second
            calls.Add(new SimulatedCall(at, 0.5));
        }

        var without = new PoolSimulation(s_bounds with { WarmUp = false }, 0.2).Run(calls, 6 * Hour);
        var with = new PoolSimulation(s_bounds, 0.2).Run(calls, 6 * Hour);

        var more = (with.IdleSeconds - without.IdleSeconds) / (6 * Hour);
        Assert.True(more <= 0.25, $"{more:F2} more workers are idle on average (seed {Seed})");
    }

    [Fact]
    public void A_rise_is_met_before_it_is_there()
    {
        // One call of two seconds a second at first, ten a second after ten minutes: a start takes ten seconds.
        var calls = new List<SimulatedCall>();
        for (var at = 0.0; at < 600; at += 1 / (1 + (at / 60)))
        {
            calls.Add(new SimulatedCall(at, 2));
        }

        var without = new PoolSimulation(s_bounds with { WarmUp = false, Spares = 0 }, 10).Run(calls, 620);
        var with = new PoolSimulation(s_bounds with { Spares = 0 }, 10).Run(calls, 620);

        Assert.True(with.Waits < without.Waits, $"{with.Waits} of {with.Calls} wait, {without.Waits} without a forecast");
    }

    private static IEnumerable<SimulatedCall> Bursts(IEnumerable<double> times, int calls) =>
        times.SelectMany(at => Enumerable.Range(0, calls).Select(i => new SimulatedCall(at + (i * 0.01), 2))).OrderBy(static c => c.At);
}
