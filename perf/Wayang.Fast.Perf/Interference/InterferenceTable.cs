using System.Globalization;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>What was measured for a while; latencies in nanoseconds.</summary>
internal sealed record InterferenceWindow(LatencyHistogram Urgent, LatencyHistogram Normal, LatencyHistogram Bare, ReadinessTally Ready);

/// <summary>Beside a bomb, and right before it; one that the bound names, or another.</summary>
internal sealed record InterferenceRound(InterferenceWindow Idle, InterferenceWindow Beside, string Ends, bool IsNamed);

/// <summary>Tells the rounds as they come; the results are medians of them.</summary>
internal sealed class InterferenceTable(TextWriter to)
{
    private const string Titles =
        "beside              urgent idle  beside  ratio   normal beside      max    bare exchange idle  beside  ratio      max   /readyz (failed, worst)   its ends";

    private readonly Dictionary<string, List<InterferenceRound>> _rows = new(StringComparer.Ordinal);

    public void Add(string title, InterferenceRound round)
    {
        if (_rows.Count == 0)
        {
            to.WriteLine("p99 of each window");
            to.WriteLine(Titles);
        }

        if (!_rows.TryGetValue(title, out var rounds))
        {
            _rows.Add(title, rounds = []);
        }

        rounds.Add(round);
        to.WriteLine(Line(title, [round], round.Ends));
    }

    /// <summary>The worst of each bound over the bombs that it names (without one of those: over all), the worst over all, then each bomb's own.</summary>
    public IReadOnlyList<Measurement> Results()
    {
        to.WriteLine("medians of the rounds");
        to.WriteLine(Titles);
        foreach (var (title, rounds) in _rows)
        {
            to.WriteLine(Line(title, rounds, ""));
        }

        var windows = _rows.Values.SelectMany(static r => r).SelectMany(static r => new[] { r.Idle, r.Beside }).ToList();
        var worst = _rows.Values.MaxBy(static r => Ratio(r, Urgent))!;
        var named = _rows.Values.Where(static r => r[0].IsNamed).MaxBy(static r => Ratio(r, Urgent)) ?? worst;
        return
        [
            Measured("interference.urgent.p99", named, Urgent),
            Measured("interference.urgent.p99.any", worst, Urgent),
            Measurement.ValueOnly("interference.normal.p99", "ms", Better.Lower, _rows.Values.Max(static r => Beside(r, Normal)) / 1000, worst.Count),
            Measurement.ValueOnly("interference.readyz.failed", "of all", Better.Lower, windows.Sum(static w => w.Ready.Failures), windows.Sum(static w => w.Ready.Answers)),
            Measurement.ValueOnly("interference.readyz.worst", "ms", Better.Lower, windows.Max(static w => w.Ready.WorstMs), 1),
            .. _rows.Select(static r => Measured(Key("urgent", r.Key), r.Value, Urgent)),
            .. _rows.Select(static r => Measurement.ValueOnly(Key("normal", r.Key), "ms", Better.Lower, Beside(r.Value, Normal) / 1000, r.Value.Count)),
            .. _rows.Select(static r => Measured(Key("bare", r.Key), r.Value, Bare)),
        ];
    }

    private static Measurement Measured(string name, List<InterferenceRound> rounds, Func<InterferenceWindow, LatencyHistogram> of) =>
        new(name, Beside(rounds, of), "us", Idle(rounds, of), Ratio(rounds, of), Better.Lower, rounds.Count);

    private static string Key(string what, string title) => $"interference.{what}.p99.{Bomb.KeyOf(title)}";

    private static LatencyHistogram Urgent(InterferenceWindow window) => window.Urgent;

    private static LatencyHistogram Normal(InterferenceWindow window) => window.Normal;

    private static LatencyHistogram Bare(InterferenceWindow window) => window.Bare;

    private static double Beside(IEnumerable<InterferenceRound> rounds, Func<InterferenceWindow, LatencyHistogram> of) =>
        Median(rounds.Select(r => of(r.Beside)));

    private static double Idle(IEnumerable<InterferenceRound> rounds, Func<InterferenceWindow, LatencyHistogram> of) =>
        Median(rounds.Select(r => of(r.Idle)));

    private static double Ratio(IReadOnlyList<InterferenceRound> rounds, Func<InterferenceWindow, LatencyHistogram> of) =>
        Beside(rounds, of) / Idle(rounds, of);

    private static double Median(IEnumerable<LatencyHistogram> of) =>
        of.Select(static h => h.Quantile(0.99) / 1000.0).Order().ToList() is var sorted ? sorted[sorted.Count / 2] : 0;

    private static string Line(string title, IReadOnlyList<InterferenceRound> rounds, string ends)
    {
        var max = rounds.Max(static r => Math.Max(r.Beside.Urgent.Max, r.Beside.Normal.Max)) / 1e6;
        var bareMax = rounds.Max(static r => r.Beside.Bare.Max) / 1e6;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{title,-18} {Idle(rounds, Urgent),9:F0} us {Beside(rounds, Urgent),6:F0} us {Ratio(rounds, Urgent),5:F2}   {Beside(rounds, Normal),10:F0} us {max,7:F1} ms {Idle(rounds, Bare),18:F0} us {Beside(rounds, Bare),5:F0} us {Ratio(rounds, Bare),5:F2} {bareMax,5:F1} ms   {rounds.Sum(static r => r.Beside.Ready.Answers),5} ({rounds.Sum(static r => r.Beside.Ready.Failures)}, {rounds.Max(static r => r.Beside.Ready.WorstMs):F0} ms)   {ends}");
    }
}
