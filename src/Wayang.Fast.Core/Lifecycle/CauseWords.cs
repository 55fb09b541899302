using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a cause says in words, as UTF-8 in a block of the slabs: as texts of their own they would survive collections for as long as their task is
/// remembered, and each of them would be found by way of an old record (some 300 ns a text of the pause). One writer; readers copy
/// beside it as from any <see cref="PayloadBuffer"/>.
/// </summary>
public sealed class CauseWords(PayloadSlabs slabs)
{
    private const int Header = 2 * sizeof(int); // bytes of detail and of traceback; None: there is none
    private const int None = -1;
    private const int OnStack = 512;
    private const int Tries = 100;

    private readonly PayloadBuffer _bytes = new(slabs);

    /// <summary>Bytes of the block that it holds; what retention counts.</summary>
    public int PooledBytes => _bytes.PooledBytes;

    public void Set(string? detail, string? traceback)
    {
        Span<byte> header = stackalloc byte[Header];
        BinaryPrimitives.WriteInt32LittleEndian(header, LengthOf(detail));
        BinaryPrimitives.WriteInt32LittleEndian(header[sizeof(int)..], LengthOf(traceback));
        _bytes.Clear();
        _bytes.EnsureCapacity(Header + Math.Max(0, LengthOf(detail)) + Math.Max(0, LengthOf(traceback)));
        _bytes.Append(header);
        Append(detail);
        Append(traceback);
    }

    public void Clear() => _bytes.Clear();

    /// <summary>The cause with its words; without them when there are none, or when the record was given to another task meanwhile.</summary>
    public TaskCause With(CauseType type, int value)
    {
        Span<byte> stack = stackalloc byte[OnStack];
        for (var tries = 0; tries < Tries; tries++)
        {
            var length = _bytes.Length;
            var copy = length <= OnStack ? stack[..length] : new byte[length];
            if (_bytes.TryCopy(0, copy, out var count, out var total, out _) && count == length && total == length
                && (length == 0 || IsWhole(copy)))
            {
                return length == 0 ? new TaskCause(type, value) : Read(type, value, copy);
            }
        }

        return new TaskCause(type, value);
    }

    /// <summary>Not what a writer has written half of.</summary>
    private static bool IsWhole(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= Header
        && Header + (long)Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(bytes)) + Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(bytes[sizeof(int)..])) == bytes.Length;

    private static TaskCause Read(CauseType type, int value, ReadOnlySpan<byte> bytes)
    {
        var detail = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        var traceback = BinaryPrimitives.ReadInt32LittleEndian(bytes[sizeof(int)..]);
        var words = bytes[Header..];
        return new TaskCause(
            type, value,
            detail < 0 ? null : Encoding.UTF8.GetString(words[..detail]),
            traceback < 0 ? null : Encoding.UTF8.GetString(words[Math.Max(0, detail)..]));
    }

    private static int LengthOf(string? text) => text is null ? None : Encoding.UTF8.GetByteCount(text);

    private void Append(string? text)
    {
        Span<byte> stack = stackalloc byte[OnStack];
        var left = text.AsSpan();
        while (!left.IsEmpty)
        {
            // A third of the room in characters always fits; a pair of surrogates stays together.
            var part = Math.Min(left.Length, OnStack / 3);
            part -= part < left.Length && char.IsHighSurrogate(left[part - 1]) ? 1 : 0;
            _bytes.Append(stack[..Encoding.UTF8.GetBytes(left[..part], stack)]);
            left = left[part..];
        }
    }
}
