using System.Globalization;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Report;

/// <summary>The figures for a person: value, limit, ratio, what was promised, and whether it was met.</summary>
public static class ResultTable
{
    public static void Print(TextWriter writer, string suite, IReadOnlyList<Measurement> results)
    {
        var width = Math.Max(30, results.Select(result => result.Name.Length).DefaultIfEmpty().Max() + 2);
        writer.WriteLine($"{suite} on {Machine.Name()}");
        writer.WriteLine(Row(width, "name", "value", "limit", "ratio", "target", "goal", ""));
        foreach (var result in results)
        {
            var target = Targets.Of(result.Name);
            writer.WriteLine(Row(
                width,
                result.Name,
                Number(result.Value) + " " + result.Unit,
                result.Limit is { } limit ? Number(limit) : "",
                result.Ratio is { } ratio ? Number(ratio) : "",
                target is null ? "" : Sign(result.Better) + Number(target.Bound),
                target is null ? "" : Number(target.Goal),
                Verdict(result, target)));
        }
    }

    /// <summary>"met", "goal met", "MISSED by 12 %", or nothing where nothing was promised or compared.</summary>
    public static string Verdict(Measurement result, Target? target)
    {
        if (target is null || (target.OfRatio && result.Ratio is null))
        {
            return "";
        }

        var figure = target.OfRatio ? result.Ratio ?? 0 : result.Value;
        if (Meets(figure, target.Goal, result.Better))
        {
            return "goal met";
        }

        if (Meets(figure, target.Bound, result.Better))
        {
            return "met";
        }

        var miss = target.Bound == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" by {Math.Abs((figure / target.Bound) - 1) * 100:0} %");
        return "MISSED" + miss;
    }

    private static bool Meets(double figure, double bound, Better better) => better == Better.Lower ? figure <= bound : figure >= bound;

    private static string Sign(Better better) => better == Better.Lower ? "<= " : ">= ";

    private static string Row(int width, string name, string value, string limit, string ratio, string target, string goal, string verdict) =>
        (name.PadRight(width) + value.PadLeft(20) + limit.PadLeft(14) + ratio.PadLeft(10) + target.PadLeft(10) + goal.PadLeft(8) + "  " + verdict).TrimEnd();

    private static string Number(double value) => value switch
    {
        0 => "0",
        >= 10000 or <= -10000 => value.ToString("#,0", CultureInfo.InvariantCulture),
        _ => value.ToString("G4", CultureInfo.InvariantCulture),
    };
}
