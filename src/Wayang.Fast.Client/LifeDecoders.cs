using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <summary>Reads what is told of a task's life.</summary>
internal static class LifeDecoders
{
    /// <summary>Null when nothing of it is told.</summary>
    public static TaskLifeFacts? Facts(Fields fields)
    {
        if (!fields.Has("attempt"))
        {
            return null;
        }

        return new TaskLifeFacts
        {
            Attempt = fields.Has("attempt") ? (int)fields.Number("attempt") : 1,
            MaxAttempts = fields.Has("max_attempts") ? (int)fields.Number("max_attempts") : 1,
            Attempts = [.. fields.Items("attempts").Select(Attempt)],
            RetryAt = ResponseDecoders.Time(fields.Text("retry_at")),
        };
    }

    private static TaskAttempt Attempt(Fields fields)
    {
        _ = WireNames.TryParse<TaskState>(fields.Text("state"), out var state);
        return new((int)fields.Number("attempt"), state, ResponseDecoders.Cause(fields.Map("cause")), fields.Number("run_us"));
    }
}
