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

    private static long Number(string name, long otherwise) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
