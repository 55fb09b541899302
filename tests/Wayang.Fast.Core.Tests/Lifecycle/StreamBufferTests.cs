using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Memory;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class StreamBufferTests
{
    private const int Limit = 16 << 20;

    [Fact]
    public void SmallContentNeedsNoBlockAndComesAgainAfterClear()
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(1, stream.AppendBounded([(byte)i], Limit));
            Assert.Equal(stream.Length > PayloadBuffer.InlineBytes, stream.PooledBytes > 0);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(static i => (byte)i), new StreamBytes(stream).ToArray());
        stream.Clear();
        Assert.Equal((0, 0), (stream.Length, stream.PooledBytes));
        stream.AppendBounded("again"u8, Limit);
        Assert.Equal("again"u8.ToArray(), new StreamBytes(stream).ToArray());
    }

    [Fact]
    public void BoundedAppendKeepsTheStartAndCountsTheRest()
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        Assert.Equal(8, stream.AppendBounded("12345678"u8, 10));
        Assert.Equal(2, stream.AppendBounded("abcdef"u8, 10));
        Assert.Equal(0, stream.AppendBounded("xyz"u8, 10));
        Assert.Equal("12345678ab"u8.ToArray(), new StreamBytes(stream).ToArray());
        Assert.Equal(7, stream.Dropped);
        stream.Clear();
        Assert.Equal(0, stream.Dropped);
    }

    [Fact]
    public void WholeAppendKeepsNothingMoreOnceSomethingDidNotFit()
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        Assert.Equal(8, stream.AppendWhole("12345678"u8, 10));
        Assert.Equal(0, stream.AppendWhole("abc"u8, 10));
        Assert.Equal(0, stream.AppendWhole("a"u8, 10)); // it would fit
        Assert.Equal((8, 4L), (stream.Length, stream.Dropped));
    }

    [Theory]
    [InlineData(130)]
    [InlineData(4_000)]
    [InlineData(70_000)]
    [InlineData(500_000)]
    public void AStreamIsWhatWasAppendedWhateverItsBlocksWere(int piece)
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20)); // half of it has no room in slabs
        var bytes = new byte[Limit];
        var random = new Random(piece);
        random.NextBytes(bytes);
        var part = new byte[200_000];
        for (var round = 0; round < 2; round++)
        {
            var length = 0;
            while (stream.AppendWhole(bytes.AsSpan(length, Math.Min(piece, Limit - length)), Limit) is > 0 and var kept)
            {
                length += kept;
            }

            Assert.True(bytes.AsSpan(0, length).SequenceEqual(new StreamBytes(stream).ToArray()), "a byte is not what was appended");
            Assert.Equal(Limit, stream.PooledBytes);
            for (var i = 0; i < 100; i++)
            {
                var from = random.Next(length + 1);
                Assert.True(stream.TryCopy(from, part, out var count, out var total, out _));
                Assert.Equal((Math.Min(part.Length, length - from), length), (count, total));
                Assert.True(bytes.AsSpan(from, count).SequenceEqual(part.AsSpan(0, count)), "a part is not what was appended");
            }

            stream.Clear();
            Assert.Equal(0, stream.PooledBytes);
        }
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(200_000, 0)]
    [InlineData(long.MaxValue, 0)]
    [InlineData(199_999, 1)]
    public void BeyondTheEndThereIsNothing(long offset, int expected)
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        stream.AppendBounded(new byte[200_000], Limit);
        Assert.True(stream.TryCopy(offset, new byte[10], out var count, out var total, out _));
        Assert.Equal((expected, 200_000), (count, total));
    }

    [Fact]
    public void OnlyTheFirstBlockIsEverReplaced()
    {
        var slabs = new PayloadSlabs(8 << 20);
        var stream = new StreamBuffer(slabs);
        stream.AppendBounded(new byte[1000], Limit);
        Assert.Equal(1024, stream.PooledBytes);
        stream.AppendBounded(new byte[1000], Limit);
        Assert.Equal(2048, stream.PooledBytes);
        stream.AppendBounded(new byte[StreamBuffer.BlockBytes], Limit);
        Assert.Equal(2 * StreamBuffer.BlockBytes, stream.PooledBytes);
        stream.AppendBounded(new byte[StreamBuffer.BlockBytes], Limit);
        Assert.Equal(3 * StreamBuffer.BlockBytes, stream.PooledBytes);
        stream.Clear();
        slabs.Trim();
        Assert.Equal(0, slabs.Bytes);
    }

    [Fact]
    public void OfAnEndedStreamNoMoreIsCopiedThanThereIs()
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        stream.AppendBounded("said"u8, Limit);
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamBytes(stream).CopyTo(new byte[5]));
        Assert.Equal("sa"u8.ToArray(), new StreamBytes(stream).ToArray(2));
    }

    [Fact]
    public void CopiesOfAnotherThreadAreNeverTorn()
    {
        // The writer appends a counting pattern, grows, clears, begins again; a copy that is accepted must be that pattern.
        var buffer = new StreamBuffer(new PayloadSlabs(8 << 20));
        var writing = true;
        var writer = new Thread(() =>
        {
            for (var round = 0; round < 3000; round++)
            {
                for (var i = 0; i < 600; i++)
                {
                    buffer.Append([(byte)i]);
                }

                buffer.Clear();
            }

            Volatile.Write(ref writing, false);
        });
        writer.Start();
        var copy = new byte[700];
        var accepted = 0;
        while (Volatile.Read(ref writing) || accepted == 0)
        {
            if (buffer.TryCopy(0, copy, out var count, out _, out _))
            {
                accepted++;
                for (var i = 0; i < count; i++)
                {
                    Assert.Equal((byte)i, copy[i]);
                }
            }
        }

        writer.Join();
    }

    [Fact]
    public void WhatIsExpectedHasItsBlockAtOnce()
    {
        var stream = new StreamBuffer(new PayloadSlabs(8 << 20));
        stream.Expect(5_000);
        Assert.Equal(8_192, stream.PooledBytes);
        stream.Append(new byte[4_000]);
        stream.Expect(1 << 20); // no more than a first block: whoever announces much has not brought it
        Assert.Equal(StreamBuffer.BlockBytes, stream.PooledBytes);
        stream.Set("short"u8);
        Assert.Equal("short"u8.ToArray(), new StreamBytes(stream).ToArray());
        Assert.Equal(0, stream.PooledBytes);
    }
}
