using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Contracts.Protobuf;

/// <summary>
/// Turns a message into the map that the table of operations reads. A field that is unknown, of another type or twice there is refused as a
/// key of a map would be. The depth is that of the proto file, whose messages do not hold themselves.
/// </summary>
public static class MessageReader
{
    /// <summary>
    /// Turns a reply into its map: what a newer node has beside it is stepped over, and lists and maps that are empty are there, as they are in every reply.
    /// </summary>
    /// <returns>Null, and the map in <paramref name="map"/>; or what is wrong.</returns>
    public static OperationError? TranslateReply(ProtoShape shape, ReadOnlySpan<byte> message, PooledBuffer map)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var writer = new MessagePackWriter(map);
        var refusal = Write(shape, message, ref writer, isReply: true);
        writer.Commit();
        return refusal;
    }

    /// <summary>Null, and the map in <paramref name="map"/>; or the refusal.</summary>
    public static OperationError? Translate(ProtoShape shape, ReadOnlySpan<byte> message, PooledBuffer map)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var writer = new MessagePackWriter(map);
        var refusal = Write(shape, message, ref writer, isReply: false);
        writer.Commit();
        return refusal;
    }

    private static OperationError? Write(ProtoShape shape, ReadOnlySpan<byte> message, ref MessagePackWriter writer, bool isReply)
    {
        Span<int> counts = stackalloc int[shape.Numbers];
        counts.Clear();
        if (Count(shape, message, counts, isReply) is { } refusal)
        {
            return refusal;
        }

        var present = 0;
        foreach (var field in shape.Fields)
        {
            present += counts[field.Number] > 0 || IsTold(field, isReply) ? 1 : 0;
        }

        writer.WriteMapHeader(present);
        foreach (var field in shape.Fields)
        {
            if (counts[field.Number] == 0 && !IsTold(field, isReply))
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

            if (WriteAll(field, message, ref writer, isReply) is { } unfit)
            {
                return unfit;
            }
        }

        return null;
    }

    private static bool IsTold(ProtoField field, bool isReply) => isReply && (field.IsRepeated || field.IsMap);

    /// <summary>How often each field is there.</summary>
    private static OperationError? Count(ProtoShape shape, ReadOnlySpan<byte> message, Span<int> counts, bool isReply)
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
                if (isReply && reader.TrySkip(type))
                {
                    continue;
                }

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

    private static OperationError? WriteAll(ProtoField field, ReadOnlySpan<byte> message, ref MessagePackWriter writer, bool isReply)
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

            var refusal = field.IsMap ? WriteEntry(field, ref reader, ref writer, isReply) : WriteValue(field, ref reader, ref writer, isReply);
            if (refusal is not null || (!field.IsMap && !field.IsRepeated))
            {
                return refusal;
            }
        }

        return null;
    }

    private static OperationError? WriteValue(ProtoField field, ref WireReader reader, ref MessagePackWriter writer, bool isReply)
    {
        if (field.IsVarint)
        {
            reader.TryReadVarint(out var number);
            WriteNumber(field.Kind, number, ref writer);
            return null;
        }

        reader.TryReadDelimited(out var bytes);
        if (field.Message is { } shape)
        {
            return Write(shape, bytes, ref writer, isReply);
        }

        WriteBytes(field.Kind, bytes, ref writer);
        return null;
    }

    /// <summary>An entry of a map is a message of key (1) and value (2), either of which may be left out when it is empty.</summary>
    private static OperationError? WriteEntry(ProtoField field, ref WireReader reader, ref MessagePackWriter writer, bool isReply)
    {
        reader.TryReadDelimited(out var entry);
        var inside = new WireReader(entry);
        ReadOnlySpan<byte> key = default;
        ReadOnlySpan<byte> value = default;
        var amount = 0UL;
        var isNumber = field.Kind is ProtoKind.Integer or ProtoKind.Flag;
        while (!inside.IsAtEnd)
        {
            if (!inside.TryReadTag(out var number, out var type) || number > 2 || type != (number == 2 && isNumber ? WireReader.Varint : WireReader.Delimited))
            {
                return Refuse(field, "has an entry that is none");
            }

            ReadOnlySpan<byte> part = default;
            if (!(type == WireReader.Varint ? inside.TryReadVarint(out amount) : inside.TryReadDelimited(out part)))
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
        if (field.Message is { } shape)
        {
            return Write(shape, value, ref writer, isReply);
        }

        if (isNumber)
        {
            WriteNumber(field.Kind, amount, ref writer);
        }
        else
        {
            WriteBytes(field.Kind, value, ref writer);
        }

        return null;
    }

    private static void WriteNumber(ProtoKind kind, ulong number, ref MessagePackWriter writer)
    {
        if (kind == ProtoKind.Flag)
        {
            writer.WriteBoolean(number != 0);
        }
        else
        {
            writer.WriteInt64((long)number);
        }
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
