using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Contracts.MessagePack;

/// <summary>What a value is. The two integer types keep their sign: 64 unsigned bits do not fit a signed number.</summary>
public enum MessagePackType : byte
{
    None = 0,
    Nil,
    Boolean,
    Unsigned,
    Signed,
    Float32,
    Float64,
    String,
    Binary,
    Array,
    Map,
    Extension,
}

public enum TokenStatus : byte
{
    Ok = 0,

    /// <summary>The header is cut: more bytes are needed.</summary>
    Incomplete,

    /// <summary>0xC1, which the format never uses.</summary>
    Malformed,
}

/// <summary>
/// One decoded header: the only place that knows the format's bytes. The reader and the frame scanner both stand on it.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly struct MessagePackToken
{
    private MessagePackToken(MessagePackType type, int headerBytes, uint length, ulong bits, sbyte extensionType = 0)
    {
        Type = type;
        HeaderBytes = headerBytes;
        Length = length;
        Bits = bits;
        ExtensionType = extensionType;
    }

    public MessagePackType Type { get; }

    /// <summary>Bytes of the header; numbers, nil and booleans consist of it.</summary>
    public int HeaderBytes { get; }

    /// <summary>Bytes of a string, binary or extension; items of an array; pairs of a map.</summary>
    public uint Length { get; }

    /// <summary>A number's bits, sign-extended for <see cref="MessagePackType.Signed"/>; 0 or 1 for a boolean.</summary>
    public ulong Bits { get; }

    public sbyte ExtensionType { get; }

    /// <summary>Bytes that follow the header and belong to the value itself.</summary>
    public uint PayloadBytes => Type is MessagePackType.String or MessagePackType.Binary or MessagePackType.Extension ? Length : 0;

    /// <summary>Values that follow and belong to a container.</summary>
    public ulong Children => Type switch
    {
        MessagePackType.Array => Length,
        MessagePackType.Map => 2UL * Length,
        _ => 0,
    };

    public static TokenStatus Decode(ReadOnlySpan<byte> data, out MessagePackToken token)
    {
        token = default;
        if (data.IsEmpty)
        {
            return TokenStatus.Incomplete;
        }

        var code = data[0];
        if (code < 0xC0)
        {
            token = code switch
            {
                < 0x80 => new(MessagePackType.Unsigned, 1, 0, code),
                < 0x90 => new(MessagePackType.Map, 1, code & 15u, 0),
                < 0xA0 => new(MessagePackType.Array, 1, code & 15u, 0),
                _ => new(MessagePackType.String, 1, code & 31u, 0),
            };
            return TokenStatus.Ok;
        }

        if (code >= 0xE0)
        {
            token = new(MessagePackType.Signed, 1, 0, (ulong)(sbyte)code);
            return TokenStatus.Ok;
        }

        var header = HeaderSizes[code - 0xC0];
        if (header == 0)
        {
            return TokenStatus.Malformed;
        }

        if (data.Length < header)
        {
            return TokenStatus.Incomplete;
        }

        token = DecodeLong(code, header, data);
        return TokenStatus.Ok;
    }

    /// <summary>Header bytes of 0xC0 to 0xDF; 0 for the code that the format never uses.</summary>
    private static ReadOnlySpan<byte> HeaderSizes =>
    [
        1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 2, 2, 2, 2, 2, 2, 3, 5, 3, 5, 3, 5,
    ];

    private static MessagePackToken DecodeLong(byte code, int header, ReadOnlySpan<byte> data) => code switch
    {
        0xC0 => new(MessagePackType.Nil, header, 0, 0),
        0xC2 => new(MessagePackType.Boolean, header, 0, 0),
        0xC3 => new(MessagePackType.Boolean, header, 0, 1),
        0xC4 => new(MessagePackType.Binary, header, data[1], 0),
        0xC5 => new(MessagePackType.Binary, header, U16(data), 0),
        0xC6 => new(MessagePackType.Binary, header, U32(data), 0),
        0xC7 => new(MessagePackType.Extension, header, data[1], 0, (sbyte)data[2]),
        0xC8 => new(MessagePackType.Extension, header, U16(data), 0, (sbyte)data[3]),
        0xC9 => new(MessagePackType.Extension, header, U32(data), 0, (sbyte)data[5]),
        0xCA => new(MessagePackType.Float32, header, 0, U32(data)),
        0xCB => new(MessagePackType.Float64, header, 0, U64(data)),
        0xCC => new(MessagePackType.Unsigned, header, 0, data[1]),
        0xCD => new(MessagePackType.Unsigned, header, 0, U16(data)),
        0xCE => new(MessagePackType.Unsigned, header, 0, U32(data)),
        0xCF => new(MessagePackType.Unsigned, header, 0, U64(data)),
        0xD0 => new(MessagePackType.Signed, header, 0, (ulong)(sbyte)data[1]),
        0xD1 => new(MessagePackType.Signed, header, 0, (ulong)(short)U16(data)),
        0xD2 => new(MessagePackType.Signed, header, 0, (ulong)(int)U32(data)),
        0xD3 => new(MessagePackType.Signed, header, 0, U64(data)),
        <= 0xD8 => new(MessagePackType.Extension, header, 1u << (code - 0xD4), 0, (sbyte)data[1]),
        0xD9 => new(MessagePackType.String, header, data[1], 0),
        0xDA => new(MessagePackType.String, header, U16(data), 0),
        0xDB => new(MessagePackType.String, header, U32(data), 0),
        0xDC => new(MessagePackType.Array, header, U16(data), 0),
        0xDD => new(MessagePackType.Array, header, U32(data), 0),
        0xDE => new(MessagePackType.Map, header, U16(data), 0),
        _ => new(MessagePackType.Map, header, U32(data), 0),
    };

    private static ushort U16(ReadOnlySpan<byte> data) => BinaryPrimitives.ReadUInt16BigEndian(data[1..]);

    private static uint U32(ReadOnlySpan<byte> data) => BinaryPrimitives.ReadUInt32BigEndian(data[1..]);

    private static ulong U64(ReadOnlySpan<byte> data) => BinaryPrimitives.ReadUInt64BigEndian(data[1..]);
}
