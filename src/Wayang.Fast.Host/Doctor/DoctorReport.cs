using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Host.Cli;

namespace Wayang.Fast.Host.Doctor;

/// <summary>The findings as text for people and as JSON for programs.</summary>
internal static class DoctorReport
{
    /// <summary>Of the JSON: it grows when a field changes its meaning or goes; new fields and checks do not change it.</summary>
    public const int SchemaVersion = 1;

    private const int Columns = 100;
    private const int NameColumn = 12;
    private const int ValueColumn = 34;

    public static string Summary(IReadOnlyList<Finding> findings)
    {
        var counts = string.Join(", ", Enum.GetValues<Level>().Select(l => string.Create(CultureInfo.InvariantCulture, $"{findings.Count(f => f.Level == l)} {Word(l)}")));
        return findings.Any(static f => f.IsFault)
            ? $"{counts}. Sandboxed tasks cannot be run here: {string.Join(", ", findings.Where(static f => f.IsFault).Select(static f => $"{f.Group}.{f.Name}"))}"
            : $"{counts}. All that sandboxed tasks require is there.";
    }

    public static void Write(TextWriter output, IReadOnlyList<Finding> findings, bool colour)
    {
        foreach (var group in findings.GroupBy(static f => f.Group, StringComparer.Ordinal))
        {
            output.WriteLine(group.Key);
            foreach (var finding in group)
            {
                var word = Word(finding.Level).PadRight(NameColumn - 2);
                output.Write("  " + (colour ? Colour(finding.Level) + word + "\e[0m" : word));
                WriteWrapped(output, finding.Name.PadRight(ValueColumn - NameColumn - 1) + " ", finding.Value, NameColumn);
                WriteDetail(output, "cost: ", finding.Cost);
                WriteDetail(output, "remedy: ", finding.Remedy);
            }
        }

        output.WriteLine();
        WriteWrapped(output, string.Empty, Summary(findings), 0);
    }

    public static void WriteJson(IReadOnlyList<Finding> findings) => JsonText.Print(writer =>
    {
        writer.WriteNumber("schema", SchemaVersion);
        writer.WriteBoolean("ok", !findings.Any(static f => f.IsFault));
        writer.WriteNumber("uid", SocketPaths.EffectiveUser());
        writer.WriteStartObject("counts");
        foreach (var level in Enum.GetValues<Level>())
        {
            writer.WriteNumber(Word(level), findings.Count(f => f.Level == level));
        }

        writer.WriteEndObject();
        writer.WriteStartArray("checks");
        foreach (var finding in findings)
        {
            writer.WriteStartObject();
            writer.WriteString("group", finding.Group);
            writer.WriteString("name", finding.Name);
            writer.WriteString("level", Word(finding.Level));
            writer.WriteBoolean("required", finding.Required);
            writer.WriteString("value", finding.Value);
            writer.WriteString("cost", finding.Cost);
            writer.WriteString("remedy", finding.Remedy);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });

    private static string Word(Level level) => level switch
    {
        Level.Ok => "ok",
        Level.Degraded => "degraded",
        Level.Missing => "missing",
        _ => "unknown",
    };

    private static string Colour(Level level) => level switch
    {
        Level.Ok => "\e[32m",
        Level.Missing => "\e[31m",
        _ => "\e[33m",
    };

    private static void WriteDetail(TextWriter output, string label, string text)
    {
        if (text.Length > 0)
        {
            output.Write(new string(' ', ValueColumn));
            WriteWrapped(output, label, text, ValueColumn);
        }
    }

    /// <summary>Goes on from a column; the text is wrapped at words, under where it began.</summary>
    private static void WriteWrapped(TextWriter output, string label, string text, int column)
    {
        output.Write(label);
        var begin = column + label.Length;
        var at = begin;
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (at > begin && at + 1 + word.Length > Columns)
            {
                output.WriteLine();
                output.Write(new string(' ', begin));
                at = begin;
            }
            else if (at > begin)
            {
                output.Write(' ');
                at++;
            }

            output.Write(word);
            at += word.Length;
        }

        output.WriteLine();
    }
}
