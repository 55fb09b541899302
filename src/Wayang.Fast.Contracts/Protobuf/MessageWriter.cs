using System.Buffers.Binary;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Contracts.Protobuf;

/// <summary>Turns a map (the node: of a reply, the client: of a request) into a message. Keys that the proto file does not have are left out; a test looks for such.</summary>
public static class MessageWriter
{
    private const int MaxVarintBytes = 10;

    /// <summary>Appends the message.</summary>
    /// <exception cref="InvalidDataException">The reply is no map that fits: a defect of ours.</exception>
    public static void Translate(ProtoShape shape, ReadOnlySpan<byte> map, PooledBuffer message)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(message);
        var reader = new MessagePackReader(map);
        WriteMessage(shape, ref reader, message);
    }

    private static void WriteMessage(ProtoShape shape, ref MessagePackReader reader, PooledBuffer message)
    {
        if (!reader.TryReadMapHeader(out var pairs))
        {
            throw Unfit(shape.Name);
        }

        for (; pairs > 0; pairs--)
        {
            if (!reader.TryReadStringOrBinary(out var key))
            {
                throw Unfit(shape.Name);
            }

            if (shape.Find(key) is not { } field)
            {
                reader.TrySkip();
                continue;
            }

            WriteField(field, ref reader, message);
        }
    }

    private static void WriteField(ProtoField field, ref MessagePackReader reader, PooledBuffer message)
    {
        if (field.IsMap)
        {
            if (!reader.TryReadMapHeader(out var entries))
            {
                throw Unfit(field.Name);
            }

            for (; entries > 0; entries--)
            {
                var start = Open(field.Number, message);
                WriteTextOf(1, ref reader, message, field);
                WriteValue(2, field, ref reader, message);
                Close(start, message);
            }

            return;
        }

        var count = 1;
        if (field.IsRepeated && !reader.TryReadArrayHeader(out count))
        {
            throw Unfit(field.Name);
        }

        for (; count > 0; count--)
        {
            WriteValue(field.Number, field, ref reader, message);
        }
    }

    private static void WriteValue(int number, ProtoField field, ref MessagePackReader reader, PooledBuffer message)
    {
        switch (field.Kind)
        {
            case ProtoKind.Message:
                var start = Open(number, message);
                WriteMessage(field.Message!, ref reader, message);
                Close(start, message);
                break;
            case ProtoKind.Integer when reader.TryReadInt64(out var integer):
                WriteTag(number, WireReader.Varint, message);
                WriteVarint((ulong)integer, message);
                break;
            case ProtoKind.Integer when reader.TryReadUInt64(out var large):
                WriteTag(number, WireReader.Varint, message);
                WriteVarint(large, message);
                break;
            case ProtoKind.Flag when reader.TryReadBoolean(out var flag):
                WriteTag(number, WireReader.Varint, message);
                WriteVarint(flag ? 1u : 0u, message);
                break;
            case ProtoKind.Text or ProtoKind.Bytes:
                WriteTextOf(number, ref reader, message, field);
                break;
            default:
                throw Unfit(field.Name);
        }
    }

    private static void WriteTextOf(int number, ref MessagePackReader reader, PooledBuffer message, ProtoField field)
    {
        if (!reader.TryReadStringOrBinary(out var bytes))
        {
            throw Unfit(field.Name);
        }

        WriteTag(number, WireReader.Delimited, message);
        WriteVarint((ulong)bytes.Length, message);
        bytes.CopyTo(message.GetSpan(bytes.Length));
        message.Advance(bytes.Length);
    }

    /// <summary>Begins something whose length is not known yet: four bytes are kept for it, which is a varint like any other.</summary>
    private static int Open(int number, PooledBuffer message)
    {
        WriteTag(number, WireReader.Delimited, message);
        message.GetSpan(sizeof(uint));
        message.Advance(sizeof(uint));
        return message.Count;
    }

    private static void Close(int start, PooledBuffer message)
    {
        var length = (uint)(message.Count - start);
        if (length >= 1u << 28)
        {
            throw Unfit("a message of over 256 MiB");
        }

        // Seven bits a byte, the first three marked as going on: longer than it need be, and as good.
        Span<byte> head = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(
            head, (length & 0x7F) | ((length & 0x3F80) << 1) | ((length & 0x1F_C000) << 2) | ((length & 0xFE0_0000) << 3) | 0x0080_8080);
        message.Overwrite(start - sizeof(uint), head);
    }

    private static void WriteTag(int number, int type, PooledBuffer message) => WriteVarint(((ulong)number << 3) | (uint)type, message);

    private static void WriteVarint(ulong value, PooledBuffer message)
    {
        var span = message.GetSpan(MaxVarintBytes);
        var length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            span[length++] = (byte)(value | 0x80);
        }

        span[length++] = (byte)value;
        message.Advance(length);
    }

    private static InvalidDataException Unfit(string what) => new($"The reply does not fit the proto file at {what}.");
}
