using System.Buffers.Binary;

namespace Wayang.Fast.EndToEnd.Tests.Escape;

/// <summary>A good ELF library of 64 bits, spoilt.</summary>
internal static class BrokenLibraries
{
    private const int HeaderBytes = 64;
    private const int ProgramHeaderBytes = 56;
    private const uint Load = 1;
    private const uint Dynamic = 2;

    public static IEnumerable<(string Name, byte[] File)> Truncated(byte[] good)
    {
        foreach (var length in (int[])[1, 4, 16, 63, 64, 100, HeaderBytes + ProgramHeaderBytes, 1000, 4096, good.Length / 4])
        {
            yield return ($"{length} of {good.Length} bytes", good[..Math.Min(length, good.Length)]);
        }
    }

    public static IEnumerable<(string Name, byte[] File)> WildHeaders(byte[] good)
    {
        yield return ("of 32 bits", With(good, static f => f[4] = 1));
        yield return ("of the other byte order", With(good, static f => f[5] = 2));
        yield return ("a program, not a library", With(good, static f => Short(f, 16, 2)));
        yield return ("of another machine", With(good, static f => Short(f, 18, 0xF3)));
        yield return ("program headers beyond all", With(good, static f => Long(f, 32, ulong.MaxValue - 8)));
        yield return ("program headers beyond the end", With(good, static f => Long(f, 32, (ulong)f.Length)));
        yield return ("program headers of no size", With(good, static f => Short(f, 54, 0)));
        yield return ("no program headers", With(good, static f => Short(f, 56, 0)));
        yield return ("too many program headers", With(good, static f => Short(f, 56, 0xFFFE)));
        yield return ("a segment from beyond the end", Segment(good, Load, static (f, at) => Long(f, at + 8, 1ul << 40)));
        yield return ("a segment at the top of the address space", Segment(good, Load, static (f, at) => Long(f, at + 16, 0xFFFF_FFFF_FFFF_F000)));
        yield return ("a segment with more file than memory", Segment(good, Load, static (f, at) => Long(f, at + 32, 1ul << 50)));
        yield return ("a segment of all memory", Segment(good, Load, static (f, at) => Long(f, at + 40, 1ul << 62)));
        yield return ("a dynamic section nowhere", Segment(good, Dynamic, static (f, at) => Long(f, at + 16, 0x7FFF_0000_0000)));
        yield return ("a dynamic section of garbage", Segment(good, Dynamic, static (f, at) =>
        {
            var from = (int)BinaryPrimitives.ReadUInt64LittleEndian(f.AsSpan(at + 8));
            f.AsSpan(from + 8, 8).Fill(0xA5); // where the first name stands
            f.AsSpan(from + 24, 8).Fill(0xA5);
        }));
    }

    /// <summary>One to eight bits, anywhere in what the loader reads.</summary>
    public static byte[] Flipped(byte[] good, Random random)
    {
        var file = (byte[])good.Clone();
        for (var left = random.Next(1, 9); left > 0; left--)
        {
            file[random.Next(16, Math.Min(file.Length, 4096))] ^= (byte)(1 << random.Next(8));
        }

        return file;
    }

    private static byte[] With(byte[] good, Action<byte[]> spoil)
    {
        var file = (byte[])good.Clone();
        spoil(file);
        return file;
    }

    /// <summary>All segments of a type; the callee gets where the program header stands.</summary>
    private static byte[] Segment(byte[] good, uint type, Action<byte[], int> spoil) => With(good, file =>
    {
        var from = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(32));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(56));
        for (var i = 0; i < count; i++)
        {
            var at = from + (i * ProgramHeaderBytes);
            if (BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at)) == type)
            {
                spoil(file, at);
            }
        }
    });

    private static void Short(byte[] file, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);

    private static void Long(byte[] file, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
}
