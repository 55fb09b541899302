using System.Text;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Execution.Durable;

/// <summary>Reads and writes the pieces of a packed record. What is not as expected is an <see cref="InvalidDataException"/>: the bytes came from a disk.</summary>
internal static class Packed
{
    public static byte[] ToArray(Writer write)
    {
        using var buffer = new PooledBuffer(512);
        var writer = new MessagePackWriter(buffer);
        write(ref writer);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    public delegate void Writer(ref MessagePackWriter writer);

    public static void Optional(ref MessagePackWriter writer, string? text)
    {
        if (text is null)
        {
            writer.WriteNil();
        }
        else
        {
            writer.WriteString(text);
        }
    }

    public static void Optional(ref MessagePackWriter writer, long? number)
    {
        if (number is { } value)
        {
            writer.WriteInt64(value);
        }
        else
        {
            writer.WriteNil();
        }
    }

    public static void Texts(ref MessagePackWriter writer, IReadOnlyList<string> texts)
    {
        writer.WriteArrayHeader(texts.Count);
        foreach (var text in texts)
        {
            writer.WriteString(text);
        }
    }

    public static void Expect(ref MessagePackReader reader, int count)
    {
        if (Count(ref reader) != count)
        {
            throw Malformed();
        }
    }

    public static int Count(ref MessagePackReader reader) => reader.TryReadArrayHeader(out var count) ? count : throw Malformed();

    public static long Number(ref MessagePackReader reader) => reader.TryReadInt64(out var value) ? value : throw Malformed();

    public static long? OptionalNumber(ref MessagePackReader reader) => reader.TryReadNil() ? null : Number(ref reader);

    public static bool Flag(ref MessagePackReader reader) => reader.TryReadBoolean(out var value) ? value : throw Malformed();

    public static string Text(ref MessagePackReader reader) => reader.TryReadString(out var utf8) ? Encoding.UTF8.GetString(utf8) : throw Malformed();

    public static string? OptionalText(ref MessagePackReader reader) => reader.TryReadNil() ? null : Text(ref reader);

    public static byte[] Bytes(ref MessagePackReader reader) => reader.TryReadBinary(out var bytes) ? bytes.ToArray() : throw Malformed();

    public static string[] Texts(ref MessagePackReader reader)
    {
        var texts = new string[Bounded(ref reader)];
        for (var i = 0; i < texts.Length; i++)
        {
            texts[i] = Text(ref reader);
        }

        return texts;
    }

    /// <summary>A count that the rest of the bytes can hold.</summary>
    public static int Bounded(ref MessagePackReader reader)
    {
        var count = Count(ref reader);
        return count <= reader.Remaining ? count : throw Malformed();
    }

    public static InvalidDataException Malformed() => new("what is stored of the task is not what this program stores");
}
