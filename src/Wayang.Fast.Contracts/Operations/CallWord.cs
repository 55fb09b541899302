using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Contracts.Operations;

public enum CallWordKind : byte
{
    /// <summary>The first word: pieces may come, or will.</summary>
    Ready = 1,

    /// <summary>So many bytes of pieces were taken, heads and all: as many more may be under way again.</summary>
    Taken = 2,

    /// <summary>All of it is there, and is the taker's own.</summary>
    Kept = 3,

    /// <summary>Nothing comes of it.</summary>
    Refused = 4,
}

/// <summary>What the taker of a call says on its connection (<see cref="CallStream"/>).</summary>
/// <param name="Kind">Of word.</param>
/// <param name="Number">Of bytes.</param>
/// <param name="Refusal">Of a refused one.</param>
public readonly record struct CallWord(CallWordKind Kind, long Number, OperationError? Refusal = null)
{
    private const int Bytes = 9;
    private const int MaxText = 4_096;

    public static CallWord Refused(OperationError why) => new(CallWordKind.Refused, 0, why);

    public byte[] Encode()
    {
        var text = Refusal is null ? [] : Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{WireNames.Text(Refusal.Code)}\n{Refusal.Field}\n{Refusal.RetryAfterMs}\n{Refusal.Message}"));
        text = text.Length > MaxText ? text[..MaxText] : text;
        var word = new byte[Bytes + text.Length];
        word[0] = (byte)Kind;
        BinaryPrimitives.WriteInt64LittleEndian(word.AsSpan(1), Refusal is null ? Number : text.Length);
        text.CopyTo(word, Bytes);
        return word;
    }

    /// <summary>The next one; blocks.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static CallWord Read(Stream from)
    {
        ArgumentNullException.ThrowIfNull(from);
        Span<byte> head = stackalloc byte[Bytes];
        from.ReadExactly(head);
        var (word, length) = Open(head);
        if (length == 0)
        {
            return word;
        }

        var text = new byte[length];
        from.ReadExactly(text);
        return Refused(ErrorOf(text));
    }

    /// <summary>The same, without a thread that waits.</summary>
    public static async Task<CallWord> ReadAsync(Stream from, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(from);
        var head = new byte[Bytes];
        await from.ReadExactlyAsync(head, cancellation).ConfigureAwait(false);
        var (word, length) = Open(head);
        if (length == 0)
        {
            return word;
        }

        var text = new byte[length];
        await from.ReadExactlyAsync(text, cancellation).ConfigureAwait(false);
        return Refused(ErrorOf(text));
    }

    private static (CallWord Word, int TextBytes) Open(ReadOnlySpan<byte> head)
    {
        var (kind, number) = ((CallWordKind)head[0], BinaryPrimitives.ReadInt64LittleEndian(head[1..]));
        return kind switch
        {
            CallWordKind.Refused when number is > 0 and <= MaxText => (default, (int)number),
            CallWordKind.Ready or CallWordKind.Taken or CallWordKind.Kept when number >= 0 => (new CallWord(kind, number), 0),
            _ => throw new InvalidDataException("a word of the other node is none"),
        };
    }

    private static OperationError ErrorOf(byte[] text)
    {
        var parts = Encoding.UTF8.GetString(text).Split('\n', 4);
        var code = WireNames.TryParse<ErrorCode>(parts[0], out var known) ? known : ErrorCode.Internal;
        return new OperationError(code, parts[^1], parts.Length > 1 && parts[1].Length > 0 ? parts[1] : null, parts.Length > 2 && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var ms) ? ms : null);
    }
}
