using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <summary>Writes the terms of a task's life.</summary>
internal static class LifeEncoders
{
    public static int Count(TaskSpec spec) => spec.Retry is null ? 0 : 1;

    public static void Write(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Retry is { } retry)
        {
            Retry(ref writer, retry);
        }
    }

    private static void Retry(ref MessagePackWriter writer, RetrySpec retry)
    {
        writer.WriteString("retry"u8);
        writer.WriteMapHeader(1 + One(retry.Backoff) + One(retry.MaxBackoff) + One(retry.MultiplierPercent) + One(retry.JitterPercent)
            + (retry.On.Count > 0 ? 1 : 0));
        RequestEncoders.OptionalNumber(ref writer, "max_attempts"u8, retry.MaxAttempts);
        RequestEncoders.OptionalNumber(ref writer, "backoff_ms"u8, (long?)retry.Backoff?.TotalMilliseconds);
        RequestEncoders.OptionalNumber(ref writer, "max_backoff_ms"u8, (long?)retry.MaxBackoff?.TotalMilliseconds);
        RequestEncoders.OptionalNumber(ref writer, "multiplier_percent"u8, retry.MultiplierPercent);
        RequestEncoders.OptionalNumber(ref writer, "jitter_percent"u8, retry.JitterPercent);
        if (retry.On.Count > 0)
        {
            writer.WriteString("on"u8);
            writer.WriteArrayHeader(retry.On.Count);
            foreach (var cause in retry.On)
            {
                writer.WriteString(WireNames.Text(cause));
            }
        }
    }

    private static int One<T>(T? value)
        where T : struct => value is null ? 0 : 1;
}
