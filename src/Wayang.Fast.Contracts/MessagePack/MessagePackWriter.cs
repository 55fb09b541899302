using System.Buffers.Binary;
using System.Text;

namespace Wayang.Fast.Contracts.MessagePack;

/// <summary>
/// Writes values in their shortest form. Holds the buffer's free span between calls; what was written belongs to the
/// buffer only after <see cref="Commit"/>, so a reply that turns out wrong is dropped by not committing it.
/// </summary>
public ref struct MessagePackWriter(PooledBuffer buffer)
{
    private readonly PooledBuffer _buffer = buffer;
    private Span<byte> _free = buffer.GetSpan(256);
    private int _used;

    /// <summary>Hands the written bytes to the buffer.</summary>
    public void Commit()
    {
        _buffer.Advance(_used);
        _free = _free[_used..];
        _used = 0;
    }

    public void WriteNil() => Take(1)[0] = 0xC0;

    public void WriteBoolean(bool value) => Take(1)[0] = value ? (byte)0xC3 : (byte)0xC2;

    public void WriteInt64(long value)
    {
        if (value >= 0)
        {
            WriteUInt64((ulong)value);
        }
        else if (value >= -32)
        {
            Take(1)[0] = (byte)value;
        }
        else if (value >= sbyte.MinValue)
        {
            var span = Take(2);
            span[1] = (byte)value;
            span[0] = 0xD0;
        }
        else if (value >= short.MinValue)
        {
            Write16(0xD1, (ushort)value);
        }
        else if (value >= int.MinValue)
        {
            Write32(0xD2, (uint)value);
        }
        else
        {
            Write64(0xD3, (ulong)value);
        }
    }

    public void WriteUInt64(ulong value)
    {
        if (value < 0x80)
        {
            Take(1)[0] = (byte)value;
        }
        else if (value <= byte.MaxValue)
        {
            var span = Take(2);
            span[1] = (byte)value;
            span[0] = 0xCC;
        }
        else if (value <= ushort.MaxValue)
        {
            Write16(0xCD, (ushort)value);
        }
        else if (value <= uint.MaxValue)
        {
            Write32(0xCE, (uint)value);
        }
        else
        {
            Write64(0xCF, value);
        }
    }

    public void WriteSingle(float value) => Write32(0xCA, BitConverter.SingleToUInt32Bits(value));

    public void WriteDouble(double value) => Write64(0xCB, BitConverter.DoubleToUInt64Bits(value));

    public void WriteString(scoped ReadOnlySpan<byte> utf8)
    {
        WriteStringHeader(utf8.Length);
        WriteRaw(utf8);
    }

    public void WriteString(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        WriteStringHeader(length);
        Encoding.UTF8.GetBytes(text, Take(length));
    }

    /// <summary>The header of a string whose bytes the caller writes next with <see cref="Reserve"/> or <see cref="WriteRaw"/>.</summary>
    public void WriteStringHeader(int length)
    {
        if (length < 32)
        {
            Take(1)[0] = (byte)(0xA0 | length);
        }
        else if (length <= byte.MaxValue)
        {
            var span = Take(2);
            span[1] = (byte)length;
            span[0] = 0xD9;
        }
        else if (length <= ushort.MaxValue)
        {
            Write16(0xDA, (ushort)length);
        }
        else
        {
            Write32(0xDB, (uint)length);
        }
    }

    public void WriteBinary(ReadOnlySpan<byte> bytes)
    {
        WriteBinaryHeader(bytes.Length);
        WriteRaw(bytes);
    }

    public void WriteBinaryHeader(int length)
    {
        if (length <= byte.MaxValue)
        {
            var span = Take(2);
            span[1] = (byte)length;
            span[0] = 0xC4;
        }
        else if (length <= ushort.MaxValue)
        {
            Write16(0xC5, (ushort)length);
        }
        else
        {
            Write32(0xC6, (uint)length);
        }
    }

    public void WriteArrayHeader(int count) => WriteContainer(0x90, 0xDC, count);

    public void WriteMapHeader(int count) => WriteContainer(0x80, 0xDE, count);

    public void WriteExtension(sbyte type, ReadOnlySpan<byte> bytes)
    {
        var fixedCode = bytes.Length switch { 1 => 0xD4, 2 => 0xD5, 4 => 0xD6, 8 => 0xD7, 16 => 0xD8, _ => 0 };
        if (fixedCode != 0)
        {
            Take(1)[0] = (byte)fixedCode;
        }
        else if (bytes.Length <= byte.MaxValue)
        {
            var span = Take(2);
            span[1] = (byte)bytes.Length;
            span[0] = 0xC7;
        }
        else if (bytes.Length <= ushort.MaxValue)
        {
            Write16(0xC8, (ushort)bytes.Length);
        }
        else
        {
            Write32(0xC9, (uint)bytes.Length);
        }

        Take(1)[0] = (byte)type;
        WriteRaw(bytes);
    }

    /// <summary>Bytes that are encoded already.</summary>
    public void WriteRaw(scoped ReadOnlySpan<byte> encoded) => encoded.CopyTo(Take(encoded.Length));

    /// <summary>Room for bytes that the caller fills in at once.</summary>
    public Span<byte> Reserve(int length) => Take(length);

    private void WriteContainer(byte small, byte code16, int count)
    {
        if (count < 16)
        {
            Take(1)[0] = (byte)(small | count);
        }
        else if (count <= ushort.MaxValue)
        {
            Write16(code16, (ushort)count);
        }
        else
        {
            Write32((byte)(code16 + 1), (uint)count);
        }
    }

    private void Write16(byte code, ushort value)
    {
        var span = Take(3);
        span[0] = code;
        BinaryPrimitives.WriteUInt16BigEndian(span[1..], value);
    }

    private void Write32(byte code, uint value)
    {
        var span = Take(5);
        span[0] = code;
        BinaryPrimitives.WriteUInt32BigEndian(span[1..], value);
    }

    private void Write64(byte code, ulong value)
    {
        var span = Take(9);
        span[0] = code;
        BinaryPrimitives.WriteUInt64BigEndian(span[1..], value);
    }

    private Span<byte> Take(int length)
    {
        if (_free.Length - _used < length)
        {
            Grow(length);
        }

        var span = _free.Slice(_used, length);
        _used += length;
        return span;
    }

    private void Grow(int length)
    {
        // The buffer copies only what it counts, so the bytes written so far are counted while it grows.
        var start = _buffer.Count;
        _buffer.Advance(_used);
        _buffer.GetSpan(length);
        _buffer.Truncate(start);
        _free = _buffer.GetSpan(1);
    }
}
