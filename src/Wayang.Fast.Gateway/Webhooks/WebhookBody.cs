using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>What is sent of an event: CloudEvents 1.0 in JSON, as every other door tells it.</summary>
internal static class WebhookBody
{
    private static readonly JsonWriterOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Of(NodeEvent told)
    {
        using var map = new PooledBuffer(512);
        var writer = new MessagePackWriter(map);
        EventReplies.Write(ref writer, told);
        writer.Commit();
        var text = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(text, s_plain))
        {
            MessagePackJson.Write(map.WrittenSpan, json);
        }

        return text.WrittenSpan.ToArray();
    }
}
