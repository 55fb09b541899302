namespace Wayang.Fast.Core.Memory;

/// <summary>A part of a pinned array, one object, so that who reads it beside a change sees the one or the other.</summary>
internal sealed class Slab(byte[] array, int offset, int bytes)
{
    /// <summary>The array it is cut from.</summary>
    public byte[] Array => array;

    public Span<byte> Block(int index, int blockBytes) => array.AsSpan(offset, bytes).Slice(index * blockBytes, blockBytes);
}
