using System.Text.Json;

namespace Wayang.Fast.Contracts.MessagePack;

/// <summary>Turns what the runtime writes into JSON; bytes become base64.</summary>
public static class MessagePackJson
{
    /// <exception cref="InvalidDataException">The reply is no MessagePack that the runtime writes: a defect of ours.</exception>
    public static void Write(ReadOnlySpan<byte> map, Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        var reader = new MessagePackReader(map);
        WriteValue(ref reader, json);
    }

    private static void WriteValue(ref MessagePackReader reader, Utf8JsonWriter json)
    {
        if (reader.TryReadMapHeader(out var pairs))
        {
            json.WriteStartObject();
            for (; pairs > 0 && reader.TryReadStringOrBinary(out var key); pairs--)
            {
                json.WritePropertyName(key);
                WriteValue(ref reader, json);
            }

            json.WriteEndObject();
        }
        else if (reader.TryReadArrayHeader(out var items))
        {
            json.WriteStartArray();
            for (; items > 0; items--)
            {
                WriteValue(ref reader, json);
            }

            json.WriteEndArray();
        }
        else if (reader.TryReadBinary(out var bytes))
        {
            json.WriteBase64StringValue(bytes);
        }
        else if (reader.TryReadString(out var text))
        {
            json.WriteStringValue(text);
        }
        else
        {
            WriteScalar(ref reader, json);
        }
    }

    private static void WriteScalar(ref MessagePackReader reader, Utf8JsonWriter json)
    {
        if (reader.TryReadBoolean(out var flag))
        {
            json.WriteBooleanValue(flag);
        }
        else if (reader.TryReadInt64(out var number))
        {
            json.WriteNumberValue(number);
        }
        else if (reader.TryReadUInt64(out var large))
        {
            json.WriteNumberValue(large);
        }
        else if (reader.TryReadNil())
        {
            json.WriteNullValue();
        }
        else
        {
            throw new InvalidDataException("The reply holds something that has no place in JSON.");
        }
    }
}
