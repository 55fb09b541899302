using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Contracts.Tasks;

/// <summary>
/// A task's id: 128 bits, written as 26 characters of Crockford's base 32 (the ULID text form), time-ordered. The upper 48
/// bits are milliseconds since 1970; the lower 80 are the node's boot tag (24 bits), a generation (24 bits) and the
/// slot of the task table (32 bits), so that a lookup needs no hash table and an id of an earlier start is never found.
/// </summary>
/// <remarks>Two halves and not one <see cref="UInt128"/>: the ahead-of-time compiler leaves out every method that touches a type with such a field.</remarks>
/// <param name="High">The upper 64 bits: the milliseconds, and the upper 16 of the boot tag.</param>
/// <param name="Low">The lower 64 bits.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct TaskId(ulong High, ulong Low) : IComparable<TaskId>
{
    /// <summary>Characters of the text form.</summary>
    public const int TextLength = 26;

    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private const int DigitBits = 5;

    public long UnixMilliseconds => (long)(High >> 16);

    public uint BootTag => (uint)((High << 8) | (Low >> 56)) & 0xFFFFFF;

    public uint Generation => (uint)(Low >> 32) & 0xFFFFFF;

    public int Slot => (int)(uint)Low;

    public static TaskId Create(long unixMilliseconds, uint bootTag, uint generation, int slot) =>
        new(((ulong)unixMilliseconds << 16) | ((bootTag >> 8) & 0xFFFF), ((ulong)(bootTag & 0xFF) << 56) | ((ulong)(generation & 0xFFFFFF) << 32) | (uint)slot);

    /// <summary>Writes the 26 ASCII characters; <paramref name="destination"/> must hold at least as many.</summary>
    public void Format(Span<byte> destination)
    {
        var (high, low) = this;
        for (var i = TextLength - 1; i >= 0; i--)
        {
            destination[i] = (byte)Alphabet[(int)(low & 31)];
            low = (low >> DigitBits) | (high << (64 - DigitBits));
            high >>= DigitBits;
        }
    }

    /// <summary>Reads the text form (upper or lower case); false for anything else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out TaskId id)
    {
        id = default;
        if (text.Length != TextLength || text[0] is < (byte)'0' or > (byte)'7')
        {
            return false;
        }

        ulong high = 0, low = 0;
        foreach (var c in text)
        {
            var upper = c is >= (byte)'a' and <= (byte)'z' ? (char)(c - 32) : (char)c;
            var digit = Alphabet.IndexOf(upper, StringComparison.Ordinal);
            if (digit < 0)
            {
                return false;
            }

            high = (high << DigitBits) | (low >> (64 - DigitBits));
            low = (low << DigitBits) | (uint)digit;
        }

        id = new TaskId(high, low);
        return true;
    }

    public static bool TryParse([NotNullWhen(true)] string? text, out TaskId id)
    {
        id = default;
        Span<byte> bytes = stackalloc byte[TextLength];
        return text is { Length: TextLength } && System.Text.Ascii.FromUtf16(text, bytes, out var written) == System.Buffers.OperationStatus.Done
            && written == TextLength && TryParse(bytes, out id);
    }

    public int CompareTo(TaskId other) => High == other.High ? Low.CompareTo(other.Low) : High.CompareTo(other.High);

    public static bool operator <(TaskId left, TaskId right) => left.CompareTo(right) < 0;

    public static bool operator >(TaskId left, TaskId right) => left.CompareTo(right) > 0;

    public static bool operator <=(TaskId left, TaskId right) => left.CompareTo(right) <= 0;

    public static bool operator >=(TaskId left, TaskId right) => left.CompareTo(right) >= 0;

    public override string ToString() => string.Create(TextLength, this, static (span, id) =>
    {
        Span<byte> ascii = stackalloc byte[TextLength];
        id.Format(ascii);
        for (var i = 0; i < TextLength; i++)
        {
            span[i] = (char)ascii[i];
        }
    });
}
