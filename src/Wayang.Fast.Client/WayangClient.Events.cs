using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <content>The node's events.</content>
public sealed partial class WayangClient
{
    private static readonly JsonWriterOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Events behind a number, the oldest first; with <see cref="EventQuery.Wait"/> it waits for some.</summary>
    public Task<EventBatch> ListEventsAsync(EventQuery query, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return CallAsync("events.list", (ref writer) => Write(ref writer, query), Batch, cancellation);
    }

    private static void Write(ref MessagePackWriter writer, EventQuery query)
    {
        var wait = (long)query.Wait.TotalMilliseconds;
        writer.WriteMapHeader(2 + (query.Type is null ? 0 : 1) + (query.Task is null ? 0 : 1) + (query.Tenant is null ? 0 : 1)
            + (query.Severity is null ? 0 : 1) + (query.Group is null ? 0 : 1) + (wait > 0 ? 1 : 0));
        RequestEncoders.OptionalNumber(ref writer, "since"u8, query.Since);
        RequestEncoders.OptionalText(ref writer, "type"u8, query.Type);
        RequestEncoders.OptionalText(ref writer, "task"u8, query.Task?.ToString());
        RequestEncoders.OptionalNumber(ref writer, "tenant"u8, query.Tenant);
        RequestEncoders.OptionalText(ref writer, "severity"u8, query.Severity);
        RequestEncoders.OptionalText(ref writer, "group"u8, query.Group);
        RequestEncoders.OptionalNumber(ref writer, "limit"u8, query.Limit);
        RequestEncoders.OptionalNumber(ref writer, "wait_ms"u8, wait > 0 ? wait : null);
    }

    private static EventBatch? Batch(ref MessagePackReader reader)
    {
        if (!reader.TryReadMapHeader(out var pairs))
        {
            return null;
        }

        var events = new List<EventInfo>();
        var (next, stalled) = (0L, (string?)null);
        for (; pairs > 0 && reader.TryReadString(out var key); pairs--)
        {
            if (key.SequenceEqual("events"u8) && reader.TryReadArrayHeader(out var count))
            {
                for (; count > 0 && Event(ref reader) is { } told; count--)
                {
                    events.Add(told);
                }
            }
            else if (key.SequenceEqual("next"u8) && reader.TryReadInt64(out var number))
            {
                next = number;
            }
            else if (key.SequenceEqual("stalled"u8) && reader.TryReadString(out var why))
            {
                stalled = Encoding.UTF8.GetString(why);
            }
            else
            {
                reader.TrySkip();
            }
        }

        return new EventBatch(events, next, stalled);
    }

    private static EventInfo? Event(ref MessagePackReader reader)
    {
        var start = reader.Position;
        if (!reader.TrySkip())
        {
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_plain))
        {
            MessagePackJson.Write(reader.Slice(start, reader.Position - start), json);
        }

        using var told = JsonDocument.Parse(buffer.WrittenMemory);
        var root = told.RootElement;
        return new EventInfo(
            long.Parse(Text(root, "sequence"), CultureInfo.InvariantCulture), Text(root, "type"),
            DateTimeOffset.Parse(Text(root, "time"), CultureInfo.InvariantCulture), Text(root, "severity"), Text(root, "subject"),
            root.GetProperty("data").GetRawText(), Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    private static string Text(JsonElement map, string name) => map.TryGetProperty(name, out var value) ? value.GetString() ?? string.Empty : string.Empty;
}
