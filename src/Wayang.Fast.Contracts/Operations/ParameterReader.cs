using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Where a parameter's value stands in the frame, or its number (also the index of a choice).</summary>
[StructLayout(LayoutKind.Auto)]
public struct ParameterSlot
{
    public int Offset { get; set; }

    public int Length { get; set; }

    public long Number { get; set; }

    public bool Present { get; set; }

    public readonly ReadOnlySpan<byte> Of(ReadOnlySpan<byte> frame) => frame.Slice(Offset, Length);

    public readonly ReadOnlyMemory<byte> Of(ReadOnlyMemory<byte> frame) => frame.Slice(Offset, Length);
}

/// <summary>
/// Reads a request map against the operation table, in place: the accepted path allocates nothing, a refusal names the
/// field. Slots are indexed as the operation's fields; a nil value counts as not given.
/// </summary>
public static class ParameterReader
{
    private const int MaxQuotedBytes = 64;

    /// <param name="reader">Stands at the map; stands behind it when null is returned.</param>
    /// <param name="slots">At least as many as the operation has fields, cleared.</param>
    public static OperationError? Read(RequestMap operation, ref MessagePackReader reader, scoped Span<ParameterSlot> slots)
    {
        if (!reader.TryReadMapHeader(out var pairs))
        {
            return new(ErrorCode.InvalidArgument, $"{operation.Name} takes one map of parameters: params = [{{...}}].");
        }

        var expected = 0;
        for (var i = 0; i < pairs; i++)
        {
            if (!reader.TryReadStringOrBinary(out var key))
            {
                return new(ErrorCode.InvalidArgument, $"The keys of {operation.Name}'s parameters are strings.");
            }

            var index = operation.IndexOf(key, expected);
            if (index < 0)
            {
                return UnknownKey(operation, key);
            }

            expected = index + 1;
            var field = operation.Fields[index];
            if (slots[index].Present)
            {
                return Refuse(field, "is given twice");
            }

            if (reader.TryReadNil())
            {
                continue;
            }

            slots[index].Present = true;
            if (ReadValue(field, ref reader, ref slots[index]) is { } refusal)
            {
                return refusal;
            }
        }

        return Missing(operation, slots);
    }

    /// <summary>Reads operations without parameters too: nothing, or an empty map, is fine for them.</summary>
    public static OperationError? Missing(RequestMap operation, scoped ReadOnlySpan<ParameterSlot> slots)
    {
        var fields = operation.Fields;
        for (var i = 0; i < fields.Length; i++)
        {
            if (fields[i].Required && !slots[i].Present)
            {
                return Refuse(fields[i], "is required");
            }
        }

        return null;
    }

    /// <summary>Reads the keys of a field that is a map; a refusal names the inner key as <c>field.key</c>.</summary>
    /// <param name="field">Of type <see cref="FieldType.Map"/>.</param>
    /// <param name="value">Its value, as its slot says.</param>
    /// <param name="slots">At least as many as the map has fields, cleared.</param>
    public static OperationError? ReadMap(RequestField field, ReadOnlySpan<byte> value, scoped Span<ParameterSlot> slots)
    {
        var reader = new MessagePackReader(value);
        return field.Map is { } map && Read(map, ref reader, slots) is { } refusal
            ? new OperationError(refusal.Code, refusal.Message, $"{field.Name}.{refusal.Field}")
            : null;
    }

    public static OperationError Refuse(RequestField field, string why) =>
        new(ErrorCode.InvalidArgument, $"'{field.Name}' {why}. {field.Doc}", field.Name);

    private static OperationError? ReadValue(RequestField field, ref MessagePackReader reader, ref ParameterSlot slot)
    {
        switch (field.Type)
        {
            case FieldType.Integer:
                return ReadInteger(field, ref reader, ref slot);
            case FieldType.Flag:
                return ReadFlag(field, ref reader, ref slot);
            case FieldType.TextList or FieldType.TaskList or FieldType.Environment or FieldType.Map or FieldType.MapList or FieldType.BytesMap:
                return ReadCollection(field, ref reader, ref slot);
            default:
                break;
        }

        if (!reader.TryReadStringOrBinary(out var bytes))
        {
            return Refuse(field, field.Type == FieldType.Bytes ? "is a bin" : "is a string");
        }

        slot.Length = bytes.Length;
        slot.Offset = reader.Position - bytes.Length;
        switch (field.Type)
        {
            case FieldType.Choice:
                slot.Number = field.IndexOfChoice(bytes);
                return slot.Number < 0 ? Refuse(field, $"is one of {string.Join(", ", field.Choices)}") : null;
            case FieldType.TaskId:
                return TaskId.TryParse(bytes, out _) ? null : Refuse(field, "is an id of 26 characters");
            default:
                break;
        }

        if (bytes.Length < field.Min || bytes.Length > field.Max)
        {
            return bytes.Length > field.Max && field.Type == FieldType.Bytes
                ? new(ErrorCode.TooLarge, $"'{field.Name}' has {bytes.Length} bytes; at most {field.Max} are taken.", field.Name)
                : Refuse(field, $"has {bytes.Length} bytes; {field.Min} to {field.Max} are taken");
        }

        return field.Type == FieldType.Text && (!Utf8.IsValid(bytes) || bytes.Contains((byte)0))
            ? Refuse(field, "is not valid UTF-8, or holds a NUL")
            : null;
    }

    private static OperationError? ReadInteger(RequestField field, ref MessagePackReader reader, ref ParameterSlot slot)
    {
        if (!reader.TryReadInt64(out var number))
        {
            return Refuse(field, "is an integer");
        }

        slot.Number = number;
        return number < field.Min || number > field.Max ? Refuse(field, $"is {number}; {field.Min} to {field.Max} are taken") : null;
    }

    private static OperationError? ReadFlag(RequestField field, ref MessagePackReader reader, ref ParameterSlot slot)
    {
        if (!reader.TryReadBoolean(out var value))
        {
            return Refuse(field, "is true or false");
        }

        slot.Number = value ? 1 : 0;
        return null;
    }

    /// <summary>Notes where a collection stands and checks its size; its items are read by who needs them.</summary>
    private static OperationError? ReadCollection(RequestField field, ref MessagePackReader reader, ref ParameterSlot slot)
    {
        var start = reader.Position;
        var items = reader;
        var count = 0;
        var isList = field.Type is not (FieldType.Map or FieldType.BytesMap) && items.TryReadArrayHeader(out count);
        if (!isList && (field.Type is not (FieldType.Environment or FieldType.Map or FieldType.BytesMap) || !items.TryReadMapHeader(out count)))
        {
            return Refuse(field, field.Type switch
            {
                FieldType.Environment => "is a map or a list",
                FieldType.Map or FieldType.BytesMap => "is a map",
                _ => "is a list",
            });
        }

        if (!reader.TrySkip())
        {
            return Refuse(field, "is cut");
        }

        slot.Offset = start;
        slot.Length = reader.Position - start;
        return count < field.Min || count > field.Max ? Refuse(field, $"has {count} items; {field.Min} to {field.Max} are taken") : null;
    }

    private static OperationError UnknownKey(RequestMap operation, ReadOnlySpan<byte> key)
    {
        var name = Encoding.UTF8.GetString(key[..Math.Min(key.Length, MaxQuotedBytes)]);
        var nearest = NearestName.Of(name, operation.Request.Select(static field => field.Name));
        var hint = nearest is not null ? $" Did you mean '{nearest}'?"
            : operation.Request.Count == 0 ? " It takes none."
            : $" It takes {string.Join(", ", operation.Request.Select(static field => field.Name))}.";
        return new(ErrorCode.InvalidArgument, $"{operation.Name} has no parameter '{name}'.{hint}", name);
    }
}
