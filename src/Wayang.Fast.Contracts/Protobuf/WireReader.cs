namespace Wayang.Fast.Contracts.Protobuf;

/// <summary>Reads the wire format of protocol buffers in place. What a peer sends is cut, overlong or of another type as it likes: nothing is taken for granted.</summary>
public ref struct WireReader(ReadOnlySpan<byte> data)
{
    public const int Varint = 0;
    public const int Fixed64 = 1;
    public const int Delimited = 2;
    public const int Fixed32 = 5;

    private const int MaxVarintBytes = 10;
    private readonly ReadOnlySpan<byte> _data = data;
    private int _position;

    public readonly bool IsAtEnd => _position == _data.Length;

    /// <summary>False: it is cut, or no tag.</summary>
    public bool TryReadTag(out int number, out int type)
    {
        number = 0;
        type = 0;
        if (!TryReadVarint(out var tag) || tag > uint.MaxValue)
        {
            return false;
        }

        number = (int)(tag >> 3);
        type = (int)(tag & 7);
        return number > 0;
    }

    public bool TryReadVarint(out ulong value)
    {
        value = 0;
        for (var i = 0; i < MaxVarintBytes && _position < _data.Length; i++)
        {
            var octet = _data[_position++];
            value |= (ulong)(octet & 0x7F) << (7 * i);
            if (octet < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    public bool TryReadDelimited(out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!TryReadVarint(out var length) || length > (ulong)(_data.Length - _position))
        {
            return false;
        }

        bytes = _data.Slice(_position, (int)length);
        _position += (int)length;
        return true;
    }

    /// <summary>Steps over a value of that type; false: it is cut, or of a type that there is not.</summary>
    public bool TrySkip(int type)
    {
        switch (type)
        {
            case Varint:
                return TryReadVarint(out _);
            case Delimited:
                return TryReadDelimited(out _);
            case Fixed64 or Fixed32:
                var bytes = type == Fixed64 ? sizeof(ulong) : sizeof(uint);
                if (_data.Length - _position < bytes)
                {
                    return false;
                }

                _position += bytes;
                return true;
            default:
                return false;
        }
    }
}
