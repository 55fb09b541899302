using System.Globalization;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <summary>Writes the terms of a task's life.</summary>
internal static class LifeEncoders
{
    public static int Count(TaskSpec spec) =>
        (spec.Retry is null ? 0 : 1) + One(spec.Deadline) + One(spec.Parent) + (spec.Detached ? 1 : 0) + (spec.Group is null ? 0 : 1)
        + (spec.IdempotencyKey is null ? 0 : 1);

    public static void Write(ref MessagePackWriter writer, TaskSpec spec)
    {
        if (spec.Retry is { } retry)
        {
            Retry(ref writer, retry);
        }

        Text(ref writer, "deadline"u8, spec.Deadline?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        Text(ref writer, "parent"u8, spec.Parent?.ToString());
        Text(ref writer, "detached"u8, spec.Detached ? "yes" : null);
        Text(ref writer, "group"u8, spec.Group);
        Text(ref writer, "idempotency_key"u8, spec.IdempotencyKey);
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

    private static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string? value)
    {
        if (value is not null)
        {
            writer.WriteString(key);
            writer.WriteString(value);
        }
    }

    private static int One<T>(T? value)
        where T : struct => value is null ? 0 : 1;
}
