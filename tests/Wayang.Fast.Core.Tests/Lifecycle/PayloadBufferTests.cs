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
            if (buffer.TryCopy(0, copy, out var count, out _))
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
}
