using System.Globalization;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>What was measured beside one bomb; latencies in nanoseconds.</summary>
internal sealed record InterferenceRow(string Title, LatencyHistogram Urgent, LatencyHistogram Normal, ReadinessTally Ready, string Ends);

/// <summary>Tells the rows as they come; the first one is what the others are held against.</summary>
internal sealed class InterferenceTable(TextWriter to)
{
    private readonly List<InterferenceRow> _rows = [];

    public void Add(InterferenceRow row)
    {
        if (_rows.Count == 0)
        {
            to.WriteLine("beside               urgent p50       p99   ratio     normal p50       p99        max    calls   /readyz (failed, worst)   its ends");
        }

        _rows.Add(row);
        to.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{row.Title,-18} {Micro(row.Urgent, 0.5),9:F0} us {Micro(row.Urgent, 0.99),6:F0} us  {Ratio(row),6:F2}   {Micro(row.Normal, 0.5),9:F0} us {Micro(row.Normal, 0.99),6:F0} us  {Math.Max(row.Urgent.Max, row.Normal.Max) / 1e6,6:F1} ms {row.Urgent.Total + row.Normal.Total,8}   {row.Ready.Answers,5} ({row.Ready.Failures}, {row.Ready.WorstMs:F0} ms)   {row.Ends}"));
    }

    /// <summary>The worst of each bound over all bombs, then each bomb's own.</summary>
    public IReadOnlyList<Measurement> Results()
    {
        var idle = Micro(_rows[0].Urgent, 0.99);
        var beside = _rows.Where(static r => !r.Title.StartsWith('(')).ToList();
        var urgent = beside.Max(static r => Micro(r.Urgent, 0.99));
        return
        [
            new Measurement("interference.urgent.p99", urgent, "us", idle, urgent / idle, Better.Lower, beside.Count),
            Measurement.ValueOnly("interference.normal.p99", "ms", Better.Lower, beside.Max(static r => Micro(r.Normal, 0.99)) / 1000, beside.Count),
            Measurement.ValueOnly("interference.readyz.failed", "of all", Better.Lower, _rows.Sum(static r => r.Ready.Failures), _rows.Sum(static r => r.Ready.Answers)),
            Measurement.ValueOnly("interference.readyz.worst", "ms", Better.Lower, _rows.Max(static r => r.Ready.WorstMs), 1),
            .. beside.Select(r => new Measurement(Key("urgent", r), Micro(r.Urgent, 0.99), "us", idle, Ratio(r), Better.Lower, 1)),
            .. beside.Select(static r => Measurement.ValueOnly(Key("normal", r), "ms", Better.Lower, Micro(r.Normal, 0.99) / 1000, 1)),
        ];
    }

    private static string Key(string taskClass, InterferenceRow row) => $"interference.{taskClass}.p99.{Bomb.KeyOf(row.Title)}";

    private static double Micro(LatencyHistogram histogram, double quantile) => histogram.Quantile(quantile) / 1000.0;

    private double Ratio(InterferenceRow row) => Micro(row.Urgent, 0.99) / Micro(_rows[0].Urgent, 0.99);
}
