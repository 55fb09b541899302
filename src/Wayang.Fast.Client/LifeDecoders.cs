using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Reads what is told of a task's life.</summary>
internal static class LifeDecoders
{
    private static readonly List<string> s_keys = ["attempt", "paused", "deadline", "group", "parent", "durable", "preemption", "checkpoint", "moves", "home", "saved"];

    /// <summary>Null when nothing of it is told.</summary>
    public static TaskLifeFacts? Facts(Fields fields)
    {
        if (!s_keys.Exists(fields.Has))
        {
            return null;
        }

        return new TaskLifeFacts
        {
            Attempt = fields.Has("attempt") ? (int)fields.Number("attempt") : 1,
            MaxAttempts = fields.Has("max_attempts") ? (int)fields.Number("max_attempts") : 1,
            Attempts = [.. fields.Items("attempts").Select(Attempt)],
            RetryAt = ResponseDecoders.Time(fields.Text("retry_at")),
            Paused = fields.Flag("paused"),
            Preemption = Preemption(fields.Map("preemption")),
            Checkpoint = Checkpoint(fields.Map("checkpoint")),
            Saved = Saved(fields.Map("saved")),
            Moves = Moves(fields.Map("moves")),
            Home = fields.OptionalText("home"),
            Deadline = ResponseDecoders.Time(fields.Text("deadline")),
            Group = fields.OptionalText("group"),
            Parent = TaskId.TryParse(fields.Text("parent"), out var parent) ? parent : null,
            Durable = fields.Flag("durable"),
        };
    }

    public static GroupInfo? Group(ref MessagePackReader reader)
    {
        if (Fields.Read(ref reader) is not { } fields)
        {
            return null;
        }

        return new(fields.Text("group"), States(fields.Map("states")));
    }

    public static GroupPage? Groups(ref MessagePackReader reader) => Fields.Read(ref reader) is not { } fields ? null : new(
        [.. fields.Items("groups").Select(static g => new GroupListed(g.Text("group"), g.Number("live"), States(g.Map("ended"))))], fields.OptionalText("next"));

    private static SortedDictionary<TaskState, long> States(Fields? map)
    {
        var states = new SortedDictionary<TaskState, long>();
        foreach (var (name, count) in map?.Numbers() ?? [])
        {
            if (WireNames.TryParse<TaskState>(name, out var state))
            {
                states[state] = count;
            }
        }

        return states;
    }

    public static Boxed<int>? Asked(ref MessagePackReader reader) => Fields.Read(ref reader) is { } fields ? new((int)fields.Number("asked")) : null;

    private static TaskPreemption? Preemption(Fields? fields) => fields is null ? null : new(
        (int)fields.Number("times"), fields.Number("frozen_us"), TaskId.TryParse(fields.Text("by"), out var by) ? by : default, new PreemptionReason(fields.Text("reason")),
        ResponseDecoders.Time(fields.OptionalText("since") ?? string.Empty));

    private static TaskCheckpoint? Checkpoint(Fields? fields) => fields is null ? null : new(
        fields.Text("file"), fields.Number("bytes"), ResponseDecoders.Time(fields.Text("at")) ?? default, fields.OptionalText("failure"));

    private static TaskSaved? Saved(Fields? fields) => fields is null ? null : new(
        fields.Number("bytes"), ResponseDecoders.Time(fields.Text("at")) ?? default, fields.Number("times"));

    public static TaskMoves? Moved(ref MessagePackReader reader) => Moves(Fields.Read(ref reader));

    private static TaskMoves? Moves(Fields? fields) => fields is null ? null : new(
        fields.OptionalText("node"), (int)fields.Number("times"), fields.Number("bytes"), TimeSpan.FromMicroseconds(fields.Number("pause_us")),
        ResponseDecoders.Time(fields.Text("at")) ?? default, WireNames.TryParse<MoveReason>(fields.Text("why"), out var why) ? why : MoveReason.Asked);

    private static TaskAttempt Attempt(Fields fields)
    {
        _ = WireNames.TryParse<TaskState>(fields.Text("state"), out var state);
        return new((int)fields.Number("attempt"), state, ResponseDecoders.Cause(fields.Map("cause")), fields.Number("run_us"));
    }
}
