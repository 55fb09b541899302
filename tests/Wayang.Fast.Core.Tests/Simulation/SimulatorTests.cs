using System.Globalization;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <summary>Ten million steps; WAYANG_SEED repeats a run, WAYANG_STEPS makes it longer.</summary>
public class SimulatorTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Promise", "PS1")]
    public void InvariantsHoldOverTenMillionSteps()
    {
        var seed = Number("WAYANG_SEED", Environment.TickCount);
        var steps = Number("WAYANG_STEPS", 10_000_000);
        var simulation = new NodeSimulation((int)seed);
        try
        {
            simulation.Run(steps);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"WAYANG_SEED={seed} breaks an invariant: {exception.Message} ({simulation.Report})", exception);
        }

        output.WriteLine($"seed {seed}, {steps} steps: {simulation.Report}");
    }

    /// <summary>Where lifted tasks of a tenant with a small weight set those with a bound behind.</summary>
    [Theory]
    [InlineData(13_036)]
    [InlineData(69_084_478)]
    [Trait("Promise", "RA4")]
    public void SharesFollowTheWeightsWhereTheyOnceDidNot(int seed) => new ShareSimulation(seed).Run(100_000);

    /// <summary>Forty nodes of one seed, 100,000 tasks each; WAYANG_STEPS is how many in all.</summary>
    [Fact]
    [Trait("Promise", "RA4")]
    public void SharesFollowTheWeightsAndNobodyStarves()
    {
        var seed = (int)Number("WAYANG_SEED", Environment.TickCount);
        var steps = Number("WAYANG_STEPS", 4_000_000);
        const int nodes = 40;
        for (var node = 0; node < nodes; node++)
        {
            var simulation = new ShareSimulation(seed + node);
            try
            {
                simulation.Run(steps / nodes);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"WAYANG_SEED={seed} breaks an invariant at node {node}: {exception.Message} ({simulation.Report})", exception);
            }

            output.WriteLine($"seed {seed + node}: {simulation.Report}");
        }
    }

    /// <summary>Forty nodes of one seed that freeze tasks; WAYANG_STEPS is how many steps in all.</summary>
    [Fact]
    [Trait("Promise", "PS1")]
    public void SlotsThatAreLentComeBackAndNobodyStaysFrozen()
    {
        var seed = (int)Number("WAYANG_SEED", Environment.TickCount);
        var steps = Number("WAYANG_STEPS", 1_000_000);
        const int nodes = 40;
        for (var node = 0; node < nodes; node++)
        {
            var simulation = new PreemptionSimulation(seed + node);
            try
            {
                simulation.Run(steps / nodes);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"WAYANG_SEED={seed} breaks an invariant at node {node}: {exception.Message} ({simulation.Report})", exception);
            }

            output.WriteLine($"seed {seed + node}: {simulation.Report}");
        }
    }

    private static long Number(string name, long otherwise) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
