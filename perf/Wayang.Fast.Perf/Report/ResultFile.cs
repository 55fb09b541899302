using System.Globalization;
using System.Text.Json;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Report;

/// <summary>Writes {"suite","machine","date","commit","results":[...]}.</summary>
public static class ResultFile
{
    private const int SignificantDigits = 6;

    public static string DefaultPath(string root, string suite) =>
        Path.Combine(root, "perf", "results", Machine.Name(), suite + ".json");

    /// <summary>Replaces the file as a whole: a reader never sees half of it.</summary>
    public static void Write(string path, string suite, string root, IReadOnlyList<Measurement> results)
    {
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full) ?? "/");
        var partial = full + ".partial";
        using (var stream = File.Create(partial))
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteString("suite", suite);
            json.WriteString("machine", Machine.Name());
            json.WriteString("date", DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            json.WriteString("commit", Machine.Commit(root));
            json.WriteStartArray("results");
            foreach (var result in results)
            {
                WriteResult(json, result);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        File.Move(partial, full, overwrite: true);
    }

    private static void WriteResult(Utf8JsonWriter json, Measurement result)
    {
        json.WriteStartObject();
        json.WriteString("name", result.Name);
        json.WriteNumber("value", Rounded(result.Value));
        json.WriteString("unit", result.Unit);
        if (result.Limit is { } limit)
        {
            json.WriteNumber("limit", Rounded(limit));
        }

        if (result.Ratio is { } ratio)
        {
            json.WriteNumber("ratio", Rounded(ratio));
        }

        json.WriteString("better", result.Better == Better.Lower ? "lower" : "higher");
        json.WriteNumber("runs", result.Runs);
        json.WriteEndObject();
    }

    private static double Rounded(double value)
    {
        if (value == 0 || !double.IsFinite(value))
        {
            return double.IsFinite(value) ? 0 : throw new PerfException("a figure is not a number");
        }

        return double.Parse(value.ToString("G" + SignificantDigits, CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }
}
