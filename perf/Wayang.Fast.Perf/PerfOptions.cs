using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf;

/// <summary>The command line.</summary>
/// <param name="Suite">A suite's name, or "all".</param>
/// <param name="Quick">Under 40 s a suite.</param>
/// <param name="Json">Where the results go instead of perf/results.</param>
internal sealed record PerfOptions(string Suite, bool Quick, string? Json)
{
    public const string Usage = "usage: wayang-perf dispatch | scheduler | rpc | spawn | all [--quick] [--json FILE]";

    public static PerfOptions Parse(ReadOnlySpan<string> arguments)
    {
        string? suite = null, json = null;
        var quick = false;
        for (var i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--quick":
                    quick = true;
                    break;
                case "--json" when i + 1 < arguments.Length:
                    json = arguments[++i];
                    break;
                case "--json":
                    throw new PerfException("--json needs a file name");
                case var word when word.StartsWith('-') || suite is not null:
                    throw new PerfException($"unexpected argument: {word}");
                case var word:
                    suite = word;
                    break;
            }
        }

        if (suite is null)
        {
            throw new PerfException("which suite?");
        }

        return suite == "all" && json is not null
            ? throw new PerfException("--json names one file: give one suite")
            : new PerfOptions(suite, quick, json);
    }
}
