using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a cause says in words, as UTF-8 in a block of the slabs: as texts of their own they would survive collections for as long as their task is
/// remembered. One writer, who has the record; readers copy beside it and see one cause, whole, or none. A field of its owner, never copied.
/// </summary>
[StructLayout(LayoutKind.Auto)]
#pragma warning disable CA1815 // Nobody compares them.
public struct CauseWords
#pragma warning restore CA1815
{
    private const int Header = 2 * sizeof(int); // bytes of detail and of traceback; None: there is none
    private const int None = -1;
    private const int OnStack = 512;
    private const int Tries = 100;

    // SYNC POINT: changed only while the version is odd.
    private uint _place;
    private int _length;

    // SYNC POINT: odd while the writer is at work; a reader compares it before and after its copy.
    private int _version;

    public readonly bool IsEmpty => _place == 0;

    /// <summary>Bytes of the block that it holds; what retention counts.</summary>
    public readonly int PooledBytes(PayloadSlabs slabs)
    {
        ArgumentNullException.ThrowIfNull(slabs);
        return _place == 0 ? 0 : slabs.Block(_place).Length;
    }

    public void Set(PayloadSlabs slabs, string? detail, string? traceback)
    {
        ArgumentNullException.ThrowIfNull(slabs);
        Clear(slabs);
        var length = Header + Math.Max(0, LengthOf(detail)) + Math.Max(0, LengthOf(traceback));
        var place = slabs.Rent(length);
        var block = slabs.Block(place);
        BinaryPrimitives.WriteInt32LittleEndian(block, LengthOf(detail));
        BinaryPrimitives.WriteInt32LittleEndian(block[sizeof(int)..], LengthOf(traceback));
        var written = Header + Encoding.UTF8.GetBytes(detail ?? string.Empty, block[Header..]);
        Encoding.UTF8.GetBytes(traceback ?? string.Empty, block[written..]);
        Change(place, length);
    }

    public void Clear(PayloadSlabs slabs)
    {
        if (_place is not 0 and var place)
        {
            ArgumentNullException.ThrowIfNull(slabs);
            Change(0, 0);
            slabs.Return(place);
        }
    }

    /// <summary>The cause with its words; without them when there are none, or when the record was given to another task meanwhile.</summary>
    public readonly TaskCause With(PayloadSlabs slabs, CauseType type, int value)
    {
        ArgumentNullException.ThrowIfNull(slabs);
        Span<byte> stack = stackalloc byte[OnStack];
        for (var tries = 0; tries < Tries; tries++)
        {
            var version = Volatile.Read(in _version);
            var (place, length) = (_place, _length);
            if (place == 0 && (version & 1) == 0)
            {
                break;
            }

            // A place of before or after may have any length: what is copied is judged by the version.
            var copy = length <= OnStack ? stack[..Math.Max(0, length)] : new byte[length];
            var block = place == 0 ? [] : slabs.Block(place);
            block[..Math.Min(block.Length, copy.Length)].CopyTo(copy);
            Volatile.ReadBarrier();
            if ((version & 1) == 0 && Volatile.Read(in _version) == version)
            {
                return Read(type, value, copy);
            }

            Thread.SpinWait(1);
        }

        return new TaskCause(type, value);
    }

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

    private void Change(uint place, int length)
    {
        Volatile.Write(ref _version, _version + 1);
        Volatile.WriteBarrier(); // the version is seen to be odd before the place changes
        _place = place;
        _length = length;
        Volatile.Write(ref _version, _version + 1);
    }
}
