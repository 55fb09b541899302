using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class PayloadBufferTests
{
    [Fact]
    public void SmallContentNeedsNoArrayAndLargeContentSurvivesGrowth()
    {
        var buffer = new PayloadBuffer(new PayloadSlabs(8 << 20));
        var expected = new List<byte>();
        for (var i = 0; i < 1000; i++)
        {
            buffer.Append([(byte)i, (byte)(i >> 8)]);
            expected.AddRange([(byte)i, (byte)(i >> 8)]);
            Assert.Equal(expected.Count > PayloadBuffer.InlineBytes, buffer.PooledBytes > 0);
        }

        Assert.Equal(expected.ToArray(), buffer.Span.ToArray());
        buffer.Clear();
        Assert.Equal(0, buffer.Length);
        Assert.Equal(0, buffer.PooledBytes);
        buffer.Set("again"u8);
        Assert.Equal("again"u8.ToArray(), buffer.Span.ToArray());
    }

    [Fact]
    public void BoundedAppendKeepsTheStartAndCountsTheRest()
    {
        var buffer = new PayloadBuffer(new PayloadSlabs(8 << 20));
        Assert.Equal(8, buffer.AppendBounded("12345678"u8, 10));
        Assert.Equal(2, buffer.AppendBounded("abcdef"u8, 10));
        Assert.Equal(0, buffer.AppendBounded("xyz"u8, 10));
        Assert.Equal("12345678ab"u8.ToArray(), buffer.Span.ToArray());
        Assert.Equal(7, buffer.Dropped);
        buffer.Clear();
        Assert.Equal(0, buffer.Dropped);
    }

    [Fact]
    public void CopiesOfAnotherThreadAreNeverTorn()
    {
        // The writer appends a counting pattern, grows, clears, begins again; a copy that is accepted must be that pattern.
        var buffer = new PayloadBuffer(new PayloadSlabs(8 << 20));
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

    [Theory]
    [InlineData(130)]
    [InlineData(4_000)]
    [InlineData(70_000)]
    [InlineData(500_000)]
    public void AStreamIsWhatWasAppendedWhateverItsBlocksWere(int piece)
    {
        const int Limit = 16 << 20;
        var slabs = new PayloadSlabs(8 << 20);
        var buffer = new PayloadBuffer(slabs);
        var bytes = new byte[Limit];
        new Random(piece).NextBytes(bytes);
        for (var round = 0; round < 2; round++)
        {
            var length = 0;
            while (buffer.AppendWhole(bytes.AsSpan(length, Math.Min(piece, Limit - length)), Limit) is > 0 and var kept)
            {
                length += kept;
            }

            Assert.True(bytes.AsSpan(0, length).SequenceEqual(buffer.Span), "a byte is not what was appended");
            Assert.Equal(Limit, buffer.Capacity);
            buffer.Clear();
            Assert.Equal(0, buffer.PooledBytes);
        }
    }

    [Fact]
    public void WhatAStreamHoldsIsCopiedInSmallPiecesBeforeItsBlockIsFull()
    {
        const int Limit = 16 << 20;
        var buffer = new PayloadBuffer(new PayloadSlabs(8 << 20));
        var piece = new byte[1024];
        while (buffer.Length < 1 << 20)
        {
            buffer.AppendWhole(piece, Limit);
        }

        // A block of a mebibyte, full, and its successor, which then is beyond its middle itself.
        Assert.Equal(1 << 20, buffer.Capacity);
        Assert.Equal(3 << 20, buffer.PooledBytes);
        buffer.AppendWhole(piece, Limit);
        Assert.Equal(2 << 20, buffer.Capacity);
        Assert.Equal((2 << 20) + (4 << 20), buffer.PooledBytes);
    }

    [Fact]
    public void WhatWasKeptReadyIsGivenBackAtTheEndOfTheStream()
    {
        var buffer = new PayloadBuffer(new PayloadSlabs(8 << 20));
        buffer.AppendBounded(new byte[80_000], 1 << 20);
        Assert.Equal(3 * 131_072, buffer.PooledBytes);
        buffer.Settle();
        Assert.Equal(131_072, buffer.PooledBytes);

        // It goes on all the same.
        buffer.AppendBounded(new byte[80_000], 1 << 20);
        Assert.Equal(160_000, buffer.Length);
        buffer.Set("short"u8);
        Assert.Equal("short"u8.ToArray(), buffer.Span.ToArray());

        // At its limit there is nothing to be ready for.
        var full = new PayloadBuffer(new PayloadSlabs(8 << 20));
        full.AppendBounded(new byte[131_072], 131_072);
        Assert.Equal(131_072, full.PooledBytes);
    }
}
