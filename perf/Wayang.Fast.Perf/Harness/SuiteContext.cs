using System.Globalization;

namespace Wayang.Fast.Perf.Harness;

/// <summary>What a suite measures with.</summary>
public sealed class SuiteContext
{
    private readonly TextWriter progress;

    /// <param name="quick">Under 40 s a suite.</param>
    /// <param name="pin">Binds the calling thread to a processor; null leaves it to the kernel.</param>
    /// <param name="progress">Told what is measured now.</param>
    public SuiteContext(bool quick, Action<int>? pin, TextWriter progress)
    {
        Quick = quick;
        Pin = pin;
        this.progress = progress;
        Root = FindRoot();
    }

    public bool Quick { get; }

    /// <summary>Tasks of the soak, where somebody wants another number of them.</summary>
    public long? Tasks { get; init; }

    /// <summary>Of the soak's dice; each run has its own, which it prints.</summary>
    public int? Seed { get; init; }

    /// <summary>The bombs of the interference that are asked for; empty: all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];

    /// <summary>The same pinning for value and limit: this side on <see cref="NearCpu"/>, the worker on <see cref="FarCpu"/>.</summary>
    public Action<int>? Pin { get; }

    public int NearCpu { get; }

    public int FarCpu { get; } = Environment.ProcessorCount > 1 ? 1 : 0;

    /// <summary>"0,1": for the reference programs.</summary>
    public string CpuPair => string.Create(CultureInfo.InvariantCulture, $"{NearCpu},{FarCpu}");

    public string Root { get; }

    public string References => Path.Combine(Root, "out", "native", "release", "perf");

    /// <summary>Plugins for measuring lie beside the tests' ones.</summary>
    public string Plugins => Path.Combine(Root, "out", "native", "release", "tests");

    public int Rounds => Quick ? 5 : 15;

    public ReferenceProgram Reference(string name) => new(References, name);

    /// <summary>A ping-pong reference between the two processors, in nanoseconds a round trip.</summary>
    public Func<double> PingPong(string name, int iterations, params IEnumerable<string> arguments)
    {
        var program = Reference(name);
        string[] all =
        [
            .. arguments, "--cpus", CpuPair, "--iterations", iterations.ToString(CultureInfo.InvariantCulture), "--json",
        ];
        return () => program.MeasureNanoseconds(all);
    }

    /// <summary>Smaller numbers of iterations when quick.</summary>
    public int Scale(int full) => Quick ? Math.Max(1, full / 4) : full;

    public void Tell(string what) => progress.WriteLine($"measuring {what} ...");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Wayang.Fast.sln")))
            {
                return folder.FullName;
            }
        }

        throw new PerfException($"no Wayang.Fast.sln above {AppContext.BaseDirectory}: wayang-perf runs inside the project");
    }
}

/// <summary>Measures one row of promises.</summary>
public abstract class Suite
{
    public abstract string Name { get; }

    public abstract IReadOnlyList<Measurement> Run(SuiteContext context);
}
