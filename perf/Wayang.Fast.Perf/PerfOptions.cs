using System.Globalization;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf;

/// <summary>The command line.</summary>
/// <param name="Suite">A suite's name, or "all".</param>
/// <param name="Quick">Under 40 s a suite; interference a minute.</param>
/// <param name="Json">Where the results go instead of perf/results.</param>
/// <param name="Tasks">Of the soak.</param>
/// <param name="Seed">Of the soak.</param>
/// <param name="Only">Of the interference: these bombs and no others; empty: all.</param>
internal sealed record PerfOptions(string Suite, bool Quick, string? Json, long? Tasks = null, int? Seed = null, IReadOnlyList<string>? Only = null)
{
    public const string Usage = "usage: wayang-perf dispatch | scheduler | rpc | http | spawn | ledger | preempt | migrate | soak | interference | all [--quick] [--json FILE] [--tasks N] [--seed N] (the last two: soak) [--only BOMB,BOMB] (interference: beside these alone, by the names of its results, as in call_log_flood,all_at_once)";

    public static PerfOptions Parse(ReadOnlySpan<string> arguments)
    {
        string? suite = null, json = null;
        long? tasks = null, seed = null;
        IReadOnlyList<string>? only = null;
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
                case "--tasks" when i + 1 < arguments.Length:
                    tasks = Number(arguments[i], arguments[++i], 1_000, 1_000_000_000);
                    break;
                case "--seed" when i + 1 < arguments.Length:
                    seed = Number(arguments[i], arguments[++i], 0, int.MaxValue);
                    break;
                case "--only" when i + 1 < arguments.Length:
                    only = arguments[++i].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                    break;
                case "--only":
                    throw new PerfException("--only needs names of bombs, with commas between them");
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
            : only is not null && (suite != "interference" || json is null)
            ? throw new PerfException("--only is for the suite interference, and needs --json: what is kept as a result is the whole suite")
            : new PerfOptions(suite, quick, json, tasks, (int?)seed, only);
    }

    private static long Number(string name, string text, long least, long most) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new PerfException($"{name} is a whole number from {least} to {most}, not '{text}'");
}
