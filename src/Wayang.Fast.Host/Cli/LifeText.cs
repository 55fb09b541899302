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

        if (life.Paused)
        {
            writer.WriteBoolean("paused", true);
        }

        if (life.Checkpoint is { } checkpoint)
        {
            WriteCheckpoint(writer, checkpoint);
        }

        WriteSaved(writer, life.Saved);
        if (life.Moves is { } moves)
        {
            MoveText.Write(writer, moves);
        }

        if (life.Home is { } home)
        {
            writer.WriteString("home", home);
        }

        if (life.Preemption is { } preemption)
        {
            WritePreemption(writer, preemption);
        }

        if (life.Deadline is { } deadline)
        {
            writer.WriteString("deadline", deadline);
        }

        if (life.Group is { } group)
        {
            writer.WriteString("group", group);
        }

        if (life.Parent is { } parent)
        {
            writer.WriteString("parent", parent.ToString());
        }

        if (life.Durable)
        {
            writer.WriteBoolean("durable", true);
        }
    }

    private static void WriteSaved(Utf8JsonWriter writer, TaskSaved? saved)
    {
        if (saved is null)
        {
            return;
        }

        writer.WriteStartObject("saved");
        writer.WriteNumber("bytes", saved.Bytes);
        writer.WriteString("at", saved.At);
        writer.WriteNumber("times", saved.Times);
        writer.WriteEndObject();
    }

    private static void WritePreemption(Utf8JsonWriter writer, TaskPreemption preemption)
    {
        writer.WriteStartObject("preemption");
        writer.WriteNumber("times", preemption.Times);
        writer.WriteNumber("frozen_us", preemption.FrozenMicroseconds);
        writer.WriteString("by", preemption.By.ToString());
        writer.WriteString("reason", preemption.Reason.ToString());
        if (preemption.Since is { } since)
        {
            writer.WriteString("since", since);
        }

        writer.WriteEndObject();
    }

    private static void WriteCheckpoint(Utf8JsonWriter writer, TaskCheckpoint checkpoint)
    {
        writer.WriteStartObject("checkpoint");
        writer.WriteString("file", checkpoint.File);
        writer.WriteNumber("bytes", checkpoint.Bytes);
        writer.WriteString("at", checkpoint.At);
        if (checkpoint.Failure is { } failure)
        {
            writer.WriteString("failure", failure);
        }

        writer.WriteEndObject();
    }

    /// <summary>The state, and whether it is paused or waits for an attempt.</summary>
    public static string State(TaskInfo info) => WireNames.Text(info.State) switch
    {
        var state when info.Life is { Moves.Node: { } node } && info.State < TaskState.Succeeded => $"{state} (at {node})",
        var state when info.Life is { Paused: true } => $"{state} (paused)",
        var state when info.Life is { RetryAt: not null } => $"{state} (retry)",
        var state => state,
    };

    /// <summary>Attempt and group in a few words, for a line of a list.</summary>
    public static string Remark(TaskLifeFacts? life) => life is null ? "" : string.Create(
        CultureInfo.InvariantCulture,
        $"{(life.MaxAttempts > 1 ? $"  attempt {life.Attempt}/{life.MaxAttempts}" : "")}{(life.Group is null ? "" : $"  group {life.Group}")}");

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

        if (life.Checkpoint is { } checkpoint)
        {
            var failed = checkpoint.Failure is { } failure ? $"; could not go on: {failure}" : "";
            yield return ("checkpoint", string.Create(CultureInfo.InvariantCulture, $"{checkpoint.File}, {checkpoint.Bytes} bytes, {checkpoint.At:O}{failed}"));
        }

        if (life.Saved is { } saved)
        {
            yield return ("saved", string.Create(CultureInfo.InvariantCulture, $"{saved.Bytes} bytes, {saved.At:O}, {saved.Times} time{(saved.Times == 1 ? "" : "s")}"));
        }

        if (life.Moves is { } moves)
        {
            yield return ("moves", MoveText.Of(moves));
        }

        if (life.Home is { } home)
        {
            yield return ("home", $"node {home}, whose task it is");
        }

        if (life.Preemption is { } preemption)
        {
            var now = preemption.Since is { } since ? string.Create(CultureInfo.InvariantCulture, $"since {since:O} for {preemption.By}: {preemption.Reason}; ") : "";
            yield return ("frozen", string.Create(
                CultureInfo.InvariantCulture, $"{now}{preemption.Times} times, {preemption.FrozenMicroseconds} us{(preemption.Since is null ? $", last for {preemption.By}" : " before")}"));
        }

        if (life.Deadline is { } deadline)
        {
            yield return ("deadline", deadline.ToString("O", CultureInfo.InvariantCulture));
        }

        if (life.Group is { } group)
        {
            yield return ("group", group);
        }

        if (life.Parent is { } parent)
        {
            yield return ("parent", parent.ToString());
        }

        if (life.Durable)
        {
            yield return ("durable", "yes");
        }
    }
}
