using Google.Protobuf.Reflection;
using Wayang.Fast.Contracts.Protobuf;

namespace Wayang.Fast.Contracts.Proto;

/// <summary>Shapes of descriptors. Compiled by each project that generates descriptors of the files beside it; Contracts itself takes no packages.</summary>
internal static class ProtoShapes
{
    public static ProtoShape Of(MessageDescriptor message) => new(message.Name, [.. message.Fields.InDeclarationOrder().Select(FieldOf)]);

    private static ProtoField FieldOf(FieldDescriptor field)
    {
        var value = field.IsMap ? field.MessageType.FindFieldByName("value") : field;
        var kind = value.FieldType switch
        {
            FieldType.String => ProtoKind.Text,
            FieldType.Bytes => ProtoKind.Bytes,
            FieldType.Int64 => ProtoKind.Integer,
            FieldType.Bool => ProtoKind.Flag,
            FieldType.Message => ProtoKind.Message,
            _ => throw new NotSupportedException($"{field.FullName}: fields are string, bytes, int64, bool or messages"),
        };
        return new ProtoField(field.Name, field.FieldNumber, kind, kind == ProtoKind.Message ? Of(value.MessageType) : null)
        {
            IsRepeated = field.IsRepeated && !field.IsMap,
            IsMap = field.IsMap,
        };
    }
}
