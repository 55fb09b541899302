using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Wayang.Fast.Host.Cli;

/// <summary>Records of a task's log, one JSON object a line as the node gives them: for people, and inside other JSON.</summary>
internal static class LogText
{
    /// <summary>Each record as <c>TIME LEVEL text</c>. A line that is no record is shown as it is.</summary>
    public static byte[] Lines(ReadOnlySpan<byte> records)
    {
        var text = new ArrayBufferWriter<byte>(Math.Max(1, records.Length));
        foreach (var range in records.Split((byte)'\n'))
        {
            var line = records[range];
            if (line.IsEmpty)
            {
                continue;
            }

            text.Write(TryRead(line, out var time, out var level, out var said) ? Encoding.UTF8.GetBytes($"{time} {level} {said}") : line);
            text.Write("\n"u8);
        }

        return text.WrittenSpan.ToArray();
    }

    /// <summary>A list <c>log</c>, where there are records.</summary>
    public static void WriteRecords(Utf8JsonWriter writer, ReadOnlySpan<byte> records)
    {
        if (records.IsEmpty)
        {
            return;
        }

        writer.WriteStartArray("log");
        foreach (var range in records.Split((byte)'\n'))
        {
            if (TryRead(records[range], out var time, out var level, out var said))
            {
                writer.WriteStartObject();
                Write(writer, time, level, said);
                writer.WriteEndObject();
            }
        }

        writer.WriteEndArray();
    }

    public static void Write(Utf8JsonWriter writer, string time, string level, string said)
    {
        writer.WriteString("time", time);
        writer.WriteString("level", level);
        writer.WriteString("text", said);
    }

    public static bool TryRead(ReadOnlySpan<byte> line, out string time, out string level, out string said)
    {
        time = level = said = "";
        if (line.IsEmpty)
        {
            return false;
        }

        try
        {
            var reader = new Utf8JsonReader(line);
            using var record = JsonDocument.ParseValue(ref reader);
            var root = record.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("text", out var text))
            {
                return false;
            }

            time = root.TryGetProperty("time", out var at) ? at.ToString() : "";
            level = root.TryGetProperty("level", out var how) ? how.ToString() : "";
            said = text.ToString();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
