using System.Buffers.Binary;

namespace Wayang.Fast.Contracts.MessagePack;

/// <summary>
/// Reads values in place. Nothing allocates and nothing throws: every method returns false, and does not move, when the
/// next value is of another type, cut or malformed. Container headers are refused when they claim more items than bytes
/// are left, so a caller may size a collection by the count it got.
/// </summary>
public ref struct MessagePackReader(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> _data = data;

    public int Position { get; private set; }

    public readonly int Remaining => _data.Length - Position;

    public readonly MessagePackType PeekType() =>
        MessagePackToken.Decode(_data[Position..], out var token) == TokenStatus.Ok ? token.Type : MessagePackType.None;

    /// <summary>The bytes between two positions that this reader has had.</summary>
    public readonly ReadOnlySpan<byte> Slice(int start, int length) => _data.Slice(start, length);

    public bool TryReadNil()
    {
        if (!TryPeek(out var token) || token.Type != MessagePackType.Nil)
        {
            return false;
        }

        Position++;
        return true;
    }

    public bool TryReadBoolean(out bool value)
    {
        value = false;
        if (!TryPeek(out var token) || token.Type != MessagePackType.Boolean)
        {
            return false;
        }

        value = token.Bits != 0;
        Position++;
        return true;
    }

    /// <summary>Any integer that fits, or a float that is exactly one.</summary>
    public bool TryReadInt64(out long value)
    {
        value = 0;
        if (!TryPeek(out var token))
        {
            return false;
        }

        switch (token.Type)
        {
            case MessagePackType.Unsigned when token.Bits <= long.MaxValue:
            case MessagePackType.Signed:
                value = (long)token.Bits;
                break;
            case MessagePackType.Float32 or MessagePackType.Float64:
                var real = Real(token);

                // 2^63 itself is not a long; -2^63 is.
                if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0) || Math.Floor(real) != real)
                {
                    return false;
                }

                value = (long)real;
                break;
            default:
                return false;
        }

        Position += token.HeaderBytes;
        return true;
    }

    /// <summary>Any integer from 0, or a float that is exactly one.</summary>
    public bool TryReadUInt64(out ulong value)
    {
        value = 0;
        if (!TryPeek(out var token))
        {
            return false;
        }

        switch (token.Type)
        {
            case MessagePackType.Unsigned:
            case MessagePackType.Signed when (long)token.Bits >= 0:
                value = token.Bits;
                break;
            case MessagePackType.Float32 or MessagePackType.Float64:
                var real = Real(token);
                if (!(real >= 0 && real < 18446744073709551616.0) || Math.Floor(real) != real)
                {
                    return false;
                }

                value = (ulong)real;
                break;
            default:
                return false;
        }

        Position += token.HeaderBytes;
        return true;
    }

    /// <summary>A float, or an integer that a double holds exactly.</summary>
    public bool TryReadDouble(out double value)
    {
        value = 0;
        if (!TryPeek(out var token))
        {
            return false;
        }

        switch (token.Type)
        {
            case MessagePackType.Float32 or MessagePackType.Float64:
                value = Real(token);
                break;
            case MessagePackType.Unsigned:
                value = token.Bits;
                if (!(value < 18446744073709551616.0) || (ulong)value != token.Bits)
                {
                    return false;
                }

                break;
            case MessagePackType.Signed:
                value = (long)token.Bits;
                if (!(value < 9223372036854775808.0) || (long)value != (long)token.Bits)
                {
                    return false;
                }

                break;
            default:
                return false;
        }

        Position += token.HeaderBytes;
        return true;
    }

    /// <summary>A string's bytes (UTF-8 by the format, not checked here).</summary>
    public bool TryReadString(out ReadOnlySpan<byte> utf8) => TryReadPayload(MessagePackType.String, MessagePackType.String, out utf8);

    public bool TryReadBinary(out ReadOnlySpan<byte> bytes) => TryReadPayload(MessagePackType.Binary, MessagePackType.Binary, out bytes);

    /// <summary>A string or a binary: what old clients that know only "raw" send for either.</summary>
    public bool TryReadStringOrBinary(out ReadOnlySpan<byte> bytes) =>
        TryReadPayload(MessagePackType.String, MessagePackType.Binary, out bytes);

    public bool TryReadArrayHeader(out int count) => TryReadContainer(MessagePackType.Array, out count);

    /// <summary>The number of pairs.</summary>
    public bool TryReadMapHeader(out int count) => TryReadContainer(MessagePackType.Map, out count);

    public bool TryReadExtension(out sbyte type, out ReadOnlySpan<byte> bytes)
    {
        type = TryPeek(out var token) ? token.ExtensionType : (sbyte)0;
        return TryReadPayload(MessagePackType.Extension, MessagePackType.Extension, out bytes);
    }

    /// <summary>The timestamp extension (type -1) in its three sizes.</summary>
    public bool TryReadTimestamp(out long seconds, out uint nanoseconds)
    {
        seconds = 0;
        nanoseconds = 0;
        var start = Position;
        if (!TryReadExtension(out var type, out var bytes) || type != -1)
        {
            Position = start;
            return false;
        }

        switch (bytes.Length)
        {
            case 4:
                seconds = BinaryPrimitives.ReadUInt32BigEndian(bytes);
                return true;
            case 8:
                var packed = BinaryPrimitives.ReadUInt64BigEndian(bytes);
                nanoseconds = (uint)(packed >> 34);
                seconds = (long)(packed & 0x3_FFFF_FFFF);
                break;
            case 12:
                nanoseconds = BinaryPrimitives.ReadUInt32BigEndian(bytes);
                seconds = BinaryPrimitives.ReadInt64BigEndian(bytes[4..]);
                break;
            default:
                Position = start;
                return false;
        }

        if (nanoseconds <= 999_999_999)
        {
            return true;
        }

        Position = start;
        return false;
    }

    /// <summary>Steps over one value, whatever it holds; does not recurse.</summary>
    public bool TrySkip()
    {
        var start = Position;
        for (ulong owed = 1; owed > 0; owed--)
        {
            if (!TryPeek(out var token) || token.Children > (ulong)Remaining || token.PayloadBytes > (uint)(Remaining - token.HeaderBytes))
            {
                Position = start;
                return false;
            }

            Position += token.HeaderBytes + (int)token.PayloadBytes;
            owed += token.Children;
        }

        return true;
    }

    private static double Real(in MessagePackToken token) => token.Type == MessagePackType.Float32
        ? BitConverter.UInt32BitsToSingle((uint)token.Bits)
        : BitConverter.UInt64BitsToDouble(token.Bits);

    private readonly bool TryPeek(out MessagePackToken token) =>
        MessagePackToken.Decode(_data[Position..], out token) == TokenStatus.Ok;

    private bool TryReadPayload(MessagePackType either, MessagePackType or, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!TryPeek(out var token) || (token.Type != either && token.Type != or) || token.Length > (uint)(Remaining - token.HeaderBytes))
        {
            return false;
        }

        bytes = _data.Slice(Position + token.HeaderBytes, (int)token.Length);
        Position += token.HeaderBytes + (int)token.Length;
        return true;
    }

    private bool TryReadContainer(MessagePackType type, out int count)
    {
        count = 0;

        // Each item takes at least one byte: a larger claim is a lie, found before anything is allocated for it.
        if (!TryPeek(out var token) || token.Type != type || token.Children > (ulong)(Remaining - token.HeaderBytes))
        {
            return false;
        }

        count = (int)token.Length;
        Position += token.HeaderBytes;
        return true;
    }
}
