using System.Text.Json;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Demo;

/// <summary>The demo's outcome for a program.</summary>
internal static class DemoJson
{
    private const double Half = 0.5;
    private const double Most = 0.99;

    public static void Write(Utf8JsonWriter writer, DemoOutcome outcome)
    {
        writer.WriteBoolean("passed", outcome.Passed);
        writer.WriteNumber("files", outcome.Files);
        WriteLoad(writer, "load", outcome.Load);
        if (outcome.Python.Report is { } python)
        {
            WriteLoad(writer, "python", python);
        }
        else
        {
            writer.WriteString("python_missing", outcome.Python.Missing);
        }

        Cli.JsonText.WriteNumbers(writer, "statistics", outcome.Statistics);
        writer.WriteStartArray("sandboxes");
        foreach (var facts in outcome.Sandboxes)
        {
            WriteSandbox(writer, facts);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("hostile");
        foreach (var one in outcome.Hostile)
        {
            writer.WriteStartObject();
            writer.WriteString("name", one.Case.Name);
            writer.WriteString("end", one.End);
            writer.WriteString("wanted", one.Case.Wanted);
            writer.WriteBoolean("contained", one.Contained);
            writer.WriteNumber("normal_tasks_beside", one.Beside);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        WriteLoad(writer, "beside", outcome.Beside);
    }

    private static void WriteLoad(Utf8JsonWriter writer, string name, LoadReport load)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("tasks", load.Done);
        writer.WriteNumber("wrong", load.Wrong);
        writer.WriteNumber("input_bytes", load.Bytes);
        writer.WriteNumber("elapsed_ms", (long)load.Elapsed.TotalMilliseconds);
        Cli.JsonText.WriteTexts(writer, "mistakes", load.Mistakes);
        Cli.JsonText.WriteNumbers(writer, "per_job", load.PerJob);
        writer.WriteStartObject("per_kind");
        foreach (var (kind, report) in load.PerKind)
        {
            writer.WriteStartObject(WireNames.Text(kind));
            writer.WriteNumber("tasks", report.Done);
            WriteQuantiles(writer, "queue", report.Queue);
            WriteQuantiles(writer, "start", report.Start);
            WriteQuantiles(writer, "run", report.Run);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteQuantiles(Utf8JsonWriter writer, string name, Quantiles quantiles)
    {
        writer.WriteNumber(name + "_p50_us", quantiles.At(Half));
        writer.WriteNumber(name + "_p99_us", quantiles.At(Most));
    }

    private static void WriteSandbox(Utf8JsonWriter writer, SandboxFacts facts)
    {
        writer.WriteStartObject();
        writer.WriteNumber("pid", facts.ProcessId);
        writer.WriteString("name", facts.Name);
        writer.WriteBoolean("holds", facts.Holds);
        foreach (var (field, value) in facts.Values)
        {
            writer.WriteString(field, value);
        }

        Cli.JsonText.WriteTexts(writer, "own_namespaces", facts.OwnNamespaces);
        Cli.JsonText.WriteTexts(writer, "descriptors", facts.Descriptors);
        writer.WriteEndObject();
    }
}
