using System.Buffers.Binary;
using System.Text;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Commands;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What a hostile sender of artifacts can do: nothing but lose its own.</summary>
public sealed class ArtifactReceiverTests
{
    private static readonly byte[] s_good = [.. File("a", "first"), .. File("b/c", ""), .. File("d", "last"), .. Head(2, 7, 70)];

    [Fact]
    public void Any_cut_into_pieces_gives_the_same_files()
    {
        for (var size = 1; size <= s_good.Length; size++)
        {
            var receiver = new ArtifactReceiver(new ArtifactBounds(3, 9));
            foreach (var piece in s_good.Chunk(size))
            {
                receiver.Feed(piece);
            }

            var got = receiver.Finish()!;
            Assert.Equal(["a=first", "b/c=", "d=last"], got.Files.Select(static file => $"{file.Name}={Encoding.UTF8.GetString(file.Content.Span)}"));
            Assert.Equal((7L, 70L, null), (got.LeftOut, got.LeftOutBytes, got.Problem));
        }
    }

    [Fact]
    public void Stream_that_ends_early_keeps_what_was_whole_and_tells_it()
    {
        for (var length = 0; length < s_good.Length; length++)
        {
            var receiver = new ArtifactReceiver(new ArtifactBounds(3, 9));
            receiver.Feed(s_good.AsSpan(0, length));
            var got = receiver.Finish()!;
            Assert.NotNull(got.Problem);
            Assert.True(got.Files.Count <= 3);
        }
    }

    public static TheoryData<byte[]> Wrong =>
    [
        Head(3, 1, 1), Head(0, 0, 0), Head(1, 0, 1), Head(1, 1025, 1), Head(1, uint.MaxValue, 1), Head(1, 1, 10), Head(1, 1, ulong.MaxValue),
        File("../x", ""), File("/x", ""), File("a//b", ""), File("a/.", ""), File("a\0b", ""), Join(File("a", ""), File("a", "")),
        Join(File("a", ""), File("b", ""), File("c", ""), File("d", "")), Join(File("a", "12345"), File("b", "12345")), Join(Head(2, 0, 0), "x"u8.ToArray()),
    ];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_bytes_end_it_and_nothing_after_them_is_taken(byte[] bytes)
    {
        var receiver = new ArtifactReceiver(new ArtifactBounds(3, 9));
        receiver.Feed(bytes);
        receiver.Feed(File("later", "x"));
        var got = receiver.Finish()!;
        Assert.NotNull(got.Problem);
        Assert.DoesNotContain(got.Files, static file => file.Name is "later" or "d" || file.Name.Contains("..", StringComparison.Ordinal));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(11);
        for (var turn = 0; turn < 2_000; turn++)
        {
            byte[] bytes = [.. s_good];
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            var receiver = new ArtifactReceiver(new ArtifactBounds(3, 9));
            receiver.Feed(bytes);
            Assert.True(receiver.Finish()!.TotalBytes <= 9);
        }
    }

    private static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(static part => part)];

    private static byte[] File(string name, string content) =>
        [.. Head(1, (uint)Encoding.UTF8.GetByteCount(name), (ulong)content.Length), .. Encoding.UTF8.GetBytes(name), .. Encoding.UTF8.GetBytes(content)];

    private static byte[] Head(uint kind, uint name, ulong length)
    {
        var head = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(head, kind);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), name);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(8), length);
        return head;
    }
}
