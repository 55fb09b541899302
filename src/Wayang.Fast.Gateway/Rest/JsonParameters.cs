using System.Text.Json;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Rest;

/// <summary>Turns an object of JSON into the map that the table of operations reads; bytes are base64. What it does not know it passes on: the table refuses it by name.</summary>
internal static class JsonParameters
{
    /// <summary>Writes the pairs of an object, without a header.</summary>
    public static OperationError? WritePairs(RequestMap map, JsonElement value, ref MessagePackWriter writer)
    {
        foreach (var property in value.EnumerateObject())
        {
            writer.WriteString(property.Name);
            var index = -1;
            for (var i = 0; i < map.Request.Count && index < 0; i++)
            {
                index = map.Request[i].Name == property.Name ? i : -1;
            }

            if ((index < 0 ? WriteAny(property.Value, ref writer) : Write(map.Request[index], property.Value, ref writer)) is { } refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    private static OperationError? Write(RequestField field, JsonElement value, ref MessagePackWriter writer)
    {
        switch (field.Type, value.ValueKind)
        {
            case (FieldType.Bytes, JsonValueKind.String):
                return WriteBytes(field, value, ref writer);
            case (FieldType.BytesMap, JsonValueKind.Object):
                writer.WriteMapHeader(value.GetPropertyCount());
                foreach (var entry in value.EnumerateObject())
                {
                    writer.WriteString(entry.Name);
                    if (WriteBytes(field, entry.Value, ref writer) is { } refusal)
                    {
                        return refusal;
                    }
                }

                return null;
            case (FieldType.Map, JsonValueKind.Object):
                return WriteMap(field.Map!, value, ref writer);
            case (FieldType.MapList or FieldType.TaskList, JsonValueKind.Array):
                writer.WriteArrayHeader(value.GetArrayLength());
                foreach (var item in value.EnumerateArray())
                {
                    var unfit = item.ValueKind == JsonValueKind.Object ? WriteMap(field.Map ?? OperationTable.TaskSubmit, item, ref writer) : WriteAny(item, ref writer);
                    if (unfit is not null)
                    {
                        return unfit;
                    }
                }

                return null;
            default:
                return WriteAny(value, ref writer);
        }
    }

    private static OperationError? WriteMap(RequestMap map, JsonElement value, ref MessagePackWriter writer)
    {
        writer.WriteMapHeader(value.GetPropertyCount());
        return WritePairs(map, value, ref writer);
    }

    private static OperationError? WriteBytes(RequestField field, JsonElement value, ref MessagePackWriter writer)
    {
        if (value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out var bytes))
        {
            writer.WriteBinary(bytes);
            return null;
        }

        return ParameterReader.Refuse(field, "is base64 in JSON (or send the bytes themselves as application/octet-stream)");
    }

    private static OperationError? WriteAny(JsonElement value, ref MessagePackWriter writer)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                writer.WriteString(value.GetString()!);
                break;
            case JsonValueKind.Number when value.TryGetInt64(out var number):
                writer.WriteInt64(number);
                break;
            case JsonValueKind.Number:
                writer.WriteDouble(value.TryGetDouble(out var real) ? real : double.NaN);
                break;
            case JsonValueKind.True or JsonValueKind.False:
                writer.WriteBoolean(value.GetBoolean());
                break;
            case JsonValueKind.Array:
                writer.WriteArrayHeader(value.GetArrayLength());
                foreach (var item in value.EnumerateArray())
                {
                    WriteAny(item, ref writer);
                }

                break;
            case JsonValueKind.Object:
                writer.WriteMapHeader(value.GetPropertyCount());
                foreach (var entry in value.EnumerateObject())
                {
                    writer.WriteString(entry.Name);
                    WriteAny(entry.Value, ref writer);
                }

                break;
            default:
                writer.WriteNil();
                break;
        }

        return null;
    }
}
