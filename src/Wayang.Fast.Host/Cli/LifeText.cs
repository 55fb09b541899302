using System.Globalization;
using System.Text.Json;

using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>What is told of a task's life: in JSON, and in lines for people.</summary>
internal static class LifeText
{
    public static void Write(Utf8JsonWriter writer, TaskLifeFacts? life)
    {
        if (life is null)
        {
            return;
        }

        writer.WriteNumber("attempt", life.Attempt);
        writer.WriteNumber("max_attempts", life.MaxAttempts);
        writer.WriteStartArray("attempts");
        foreach (var attempt in life.Attempts)
        {
            writer.WriteStartObject();
            writer.WriteNumber("attempt", attempt.Attempt);
            writer.WriteString("state", WireNames.Text(attempt.State));
            JsonText.WriteCause(writer, attempt.Cause);
            writer.WriteNumber("run_us", attempt.RunMicroseconds);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        if (life.RetryAt is { } at)
        {
            writer.WriteString("retry_at", at);
        }
    }

    /// <summary>Name and value of each line.</summary>
    public static IEnumerable<(string Name, string Value)> Lines(TaskLifeFacts? life)
    {
        if (life is null)
        {
            yield break;
        }

        if (life.MaxAttempts > 1)
        {
            yield return ("attempt", string.Create(CultureInfo.InvariantCulture, $"{life.Attempt} of {life.MaxAttempts}"));
        }

        foreach (var attempt in life.Attempts)
        {
            yield return ("", string.Create(
                CultureInfo.InvariantCulture, $"{attempt.Attempt}: {WireNames.Text(attempt.State)}, {ResultPrinter.Describe(attempt.Cause)}, after {attempt.RunMicroseconds} us"));
        }

        if (life.RetryAt is { } at)
        {
            yield return ("retry at", at.ToString("O", CultureInfo.InvariantCulture));
        }
    }
}
