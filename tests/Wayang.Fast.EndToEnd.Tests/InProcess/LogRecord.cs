using System.Text.Json;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>A record of a task's log.</summary>
internal sealed record LogRecord(DateTimeOffset Time, string Level, string Text)
{
    /// <summary>Each line has to be a whole record.</summary>
    public static List<LogRecord> Read(string log)
    {
        Assert.True(log.Length == 0 || log.EndsWith('\n'), "the log ends inside a record");
        var records = new List<LogRecord>();
        foreach (var line in log.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var record = JsonDocument.Parse(line);
            Assert.Equal(["time", "level", "text"], record.RootElement.EnumerateObject().Select(static property => property.Name));
            records.Add(new LogRecord(
                record.RootElement.GetProperty("time").GetDateTimeOffset(),
                record.RootElement.GetProperty("level").GetString()!,
                record.RootElement.GetProperty("text").GetString()!));
        }

        return records;
    }
}
