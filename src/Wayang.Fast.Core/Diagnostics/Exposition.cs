using System.Globalization;
using System.Text;

namespace Wayang.Fast.Core.Diagnostics;

/// <summary>Who has something to tell at <c>/metrics</c>. Called on a cold thread; must not block.</summary>
public interface IMetricSource
{
    void WriteMetrics(Exposition exposition);
}

/// <summary>
/// One answer in the Prometheus text format. Families are written one after the other: <see cref="Counter(string, string)"/>, <see cref="Gauge(string, string)"/> or
/// <see cref="Histogram"/> begins one, <see cref="Sample"/> and <see cref="Distribution"/> add its series. A family has at most
/// <see cref="MaxSeries"/> of them; what is over is dropped and counted.
/// </summary>
public sealed class Exposition(int maxSeries)
{
    /// <summary>Upper bounds of the buckets of spans, in seconds.</summary>
    public static IReadOnlyList<double> SpanBounds { get; } =
        [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];

    private readonly StringBuilder _text = new(16384);
    private string _family = string.Empty;
    private int _series;

    /// <summary>Of one family.</summary>
    public int MaxSeries { get; } = maxSeries;

    /// <summary>Series that were over the bound.</summary>
    public long Dropped { get; private set; }

    public void Counter(string name, string help) => Begin(name, "counter", help);

    public void Gauge(string name, string help) => Begin(name, "gauge", help);

    public void Histogram(string name, string help) => Begin(name, "histogram", help);

    /// <summary>A family of one series.</summary>
    public void Counter(string name, string help, double value)
    {
        Counter(name, help);
        Sample(value);
    }

    /// <summary>A family of one series.</summary>
    public void Gauge(string name, string help, double value)
    {
        Gauge(name, help);
        Sample(value);
    }

    /// <summary>One series of the family that was begun last.</summary>
    /// <param name="labels">Names and values by turns.</param>
    public void Sample(double value, params ReadOnlySpan<string> labels)
    {
        if (TakeSeries())
        {
            Write(_family, labels, null, value);
        }
    }

    /// <summary>One series of a histogram's family, over <see cref="SpanBounds"/>.</summary>
    /// <param name="histogram">Of values in a unit of <paramref name="unitSeconds"/> seconds.</param>
    public void Distribution(LatencyHistogram histogram, double unitSeconds, params ReadOnlySpan<string> labels)
    {
        ArgumentNullException.ThrowIfNull(histogram);
        if (!TakeSeries())
        {
            return;
        }

        Span<long> bounds = stackalloc long[SpanBounds.Count];
        Span<long> counts = stackalloc long[SpanBounds.Count];
        for (var i = 0; i < bounds.Length; i++)
        {
            bounds[i] = (long)Math.Round(SpanBounds[i] / unitSeconds);
        }

        var total = histogram.CountAtMost(bounds, counts);
        for (var i = 0; i < bounds.Length; i++)
        {
            Write(_family + "_bucket", labels, Number(SpanBounds[i]), counts[i]);
        }

        Write(_family + "_bucket", labels, "+Inf", total);
        Write(_family + "_sum", labels, null, histogram.Sum * unitSeconds);
        Write(_family + "_count", labels, null, total);
    }

    public override string ToString() => _text.ToString();

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private void Begin(string name, string type, string help)
    {
        _family = name;
        _series = 0;
        _text.Append("# HELP ").Append(name).Append(' ').Append(help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal));
        _text.Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
    }

    private bool TakeSeries()
    {
        if (_series == MaxSeries)
        {
            Dropped++;
            return false;
        }

        _series++;
        return true;
    }

    private void Write(string name, ReadOnlySpan<string> labels, string? bound, double value)
    {
        _text.Append(name);
        if (labels.Length > 0 || bound is not null)
        {
            _text.Append('{');
            for (var i = 0; i + 1 < labels.Length; i += 2)
            {
                _text.Append(i == 0 ? "" : ",").Append(labels[i]).Append("=\"");
                AppendEscaped(labels[i + 1]);
                _text.Append('"');
            }

            if (bound is not null)
            {
                _text.Append(labels.Length > 0 ? "," : "").Append("le=\"").Append(bound).Append('"');
            }

            _text.Append('}');
        }

        _text.Append(' ').Append(Number(value)).Append('\n');
    }

    private void AppendEscaped(string value)
    {
        foreach (var letter in value)
        {
            _ = letter switch
            {
                '\\' => _text.Append("\\\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append("\\n"),
                _ => _text.Append(letter),
            };
        }
    }
}
