using System.Buffers.Binary;

namespace Wayang.Fast.Architecture.Tests;

/// <summary>What is shipped was linked as promised: position-independent, full RELRO, no executable stack.</summary>
[Trait("Promise", "SX1")]
public sealed class HardeningTests
{
    private const int DynamicSegment = 2;
    private const int RelroSegment = 0x6474e552;
    private const int StackSegment = 0x6474e551;
    private const long FlagsTag = 30;
    private const long BindNow = 8;

    [Fact]
    public void Shipped_binaries_are_hardened()
    {
        var stage = Repository.FullPath("out/native/release/stage");
        var binaries = Directory.Exists(stage) ? Directory.GetFiles(stage).Where(IsElf).ToList() : [];
        Assert.SkipWhen(binaries.Count == 0, "native code is not built: out/native/release/stage is empty");
        Repository.AssertNone(binaries.SelectMany(Violations));
    }

    private static bool IsElf(string path)
    {
        Span<byte> magic = stackalloc byte[4];
        using var file = File.OpenRead(path);
        return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("\u007fELF"u8);
    }

    private static IEnumerable<string> Violations(string path)
    {
        var image = File.ReadAllBytes(path);
        var name = Path.GetFileName(path);
        var segments = Segments(image).ToList();
        if (BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(16)) != 3)
        {
            yield return $"{name} is not position-independent";
        }

        if (!segments.Exists(segment => segment.Type == RelroSegment))
        {
            yield return $"{name} has no RELRO segment";
        }

        if (!segments.Exists(segment => segment.Type == DynamicSegment && BindsNow(image, segment)))
        {
            yield return $"{name} does not bind all symbols at start (full RELRO)";
        }

        if (!segments.Exists(segment => segment.Type == StackSegment && (segment.Flags & 1) == 0))
        {
            yield return $"{name} has an executable stack";
        }
    }

    private static IEnumerable<Segment> Segments(byte[] image)
    {
        var offset = (int)BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(32));
        var size = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(54));
        var count = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(56));
        for (var i = 0; i < count; i++)
        {
            var header = image.AsSpan(offset + (i * size));
            yield return new Segment(
                BinaryPrimitives.ReadInt32LittleEndian(header),
                BinaryPrimitives.ReadInt32LittleEndian(header[4..]),
                (int)BinaryPrimitives.ReadInt64LittleEndian(header[8..]),
                (int)BinaryPrimitives.ReadInt64LittleEndian(header[32..]));
        }
    }

    private static bool BindsNow(byte[] image, Segment dynamic)
    {
        for (var at = dynamic.Offset; at + 16 <= dynamic.Offset + dynamic.Bytes; at += 16)
        {
            if (BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(at)) == FlagsTag)
            {
                return (BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(at + 8)) & BindNow) != 0;
            }
        }

        return false;
    }

    private sealed record Segment(int Type, int Flags, int Offset, int Bytes);
}
