using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Gateway.Grpc;

/// <summary>
/// Turns a message into the map that the table of operations reads. A field that is unknown, of another type or twice there is refused as a
/// key of a map would be. The depth is that of the proto file, whose messages do not hold themselves.
/// </summary>
internal static class RequestTranslator
{
    /// <summary>Null, and the map in <paramref name="map"/>; or the refusal.</summary>
    public static OperationError? Translate(ProtoShape shape, ReadOnlySpan<byte> message, PooledBuffer map)
    {
        var writer = new MessagePackWriter(map);
        var refusal = Write(shape, message, ref writer);
        writer.Commit();
        return refusal;
    }

    private static OperationError? Write(ProtoShape shape, ReadOnlySpan<byte> message, ref MessagePackWriter writer)
    {
        Span<int> counts = stackalloc int[shape.Numbers];
        counts.Clear();
        if (Count(shape, message, counts) is { } refusal)
        {
            return refusal;
        }

        var present = 0;
        foreach (var count in counts)
        {
            present += count > 0 ? 1 : 0;
        }

        writer.WriteMapHeader(present);
        foreach (var field in shape.Fields)
        {
            if (counts[field.Number] == 0)
            {
                continue;
            }

            writer.WriteString(field.Utf8Name);
            if (field.IsMap)
            {
                writer.WriteMapHeader(counts[field.Number]);
            }
            else if (field.IsRepeated)
            {
                writer.WriteArrayHeader(counts[field.Number]);
            }

            if (WriteAll(field, message, ref writer) is { } unfit)
            {
                return unfit;
            }
        }

        return null;
    }

    /// <summary>How often each field is there.</summary>
    private static OperationError? Count(ProtoShape shape, ReadOnlySpan<byte> message, Span<int> counts)
    {
        var reader = new WireReader(message);
        while (!reader.IsAtEnd)
        {
            if (!reader.TryReadTag(out var number, out var type))
            {
                return Cut(shape);
            }

            if (shape.Find(number) is not { } field)
            {
                return new(ErrorCode.InvalidArgument, $"{shape.Name} has no field {number} here: the caller's proto file is of another version of the node.");
            }

            if (type != (field.IsVarint ? WireReader.Varint : WireReader.Delimited))
            {
                return Refuse(field, $"is of another type (wire type {type})");
            }

            if (!reader.TrySkip(type))
            {
                return Cut(shape);
            }

            if (++counts[number] > 1 && !field.IsRepeated && !field.IsMap)
            {
                return Refuse(field, "is given twice");
            }
        }

        return null;
    }

    private static OperationError? WriteAll(ProtoField field, ReadOnlySpan<byte> message, ref MessagePackWriter writer)
    {
        var reader = new WireReader(message);
        while (!reader.IsAtEnd)
        {
            reader.TryReadTag(out var number, out var type);
            if (number != field.Number)
            {
                reader.TrySkip(type);
                continue;
            }

            var refusal = field.IsMap ? WriteEntry(field, ref reader, ref writer) : WriteValue(field, ref reader, ref writer);
            if (refusal is not null || (!field.IsMap && !field.IsRepeated))
            {
                return refusal;
            }
        }

        return null;
    }

    private static OperationError? WriteValue(ProtoField field, ref WireReader reader, ref MessagePackWriter writer)
    {
        if (field.IsVarint)
        {
            reader.TryReadVarint(out var number);
            if (field.Kind == ProtoKind.Flag)
            {
                writer.WriteBoolean(number != 0);
            }
            else
            {
                writer.WriteInt64((long)number);
            }

            return null;
        }

        reader.TryReadDelimited(out var bytes);
        if (field.Message is { } shape)
        {
            return Write(shape, bytes, ref writer);
        }

        WriteBytes(field.Kind, bytes, ref writer);
        return null;
    }

    /// <summary>An entry of a map is a message of key (1) and value (2), either of which may be left out when it is empty.</summary>
    private static OperationError? WriteEntry(ProtoField field, ref WireReader reader, ref MessagePackWriter writer)
    {
        reader.TryReadDelimited(out var entry);
        var inside = new WireReader(entry);
        ReadOnlySpan<byte> key = default;
        ReadOnlySpan<byte> value = default;
        while (!inside.IsAtEnd)
        {
            if (!inside.TryReadTag(out var number, out var type) || type != WireReader.Delimited || number > 2 || !inside.TryReadDelimited(out var part))
            {
                return Refuse(field, "has an entry that is none");
            }

            if (number == 1)
            {
                key = part;
            }
            else
            {
                value = part;
            }
        }

        writer.WriteString(key);
        WriteBytes(field.Kind, value, ref writer);
        return null;
    }

    private static void WriteBytes(ProtoKind kind, ReadOnlySpan<byte> bytes, ref MessagePackWriter writer)
    {
        if (kind == ProtoKind.Bytes)
        {
            writer.WriteBinary(bytes);
        }
        else
        {
            writer.WriteString(bytes);
        }
    }

    private static OperationError Cut(ProtoShape shape) => new(ErrorCode.InvalidArgument, $"The message is cut, or no {shape.Name}.");

    private static OperationError Refuse(ProtoField field, string what) => new(ErrorCode.InvalidArgument, $"'{field.Name}' {what}.", field.Name);
}
