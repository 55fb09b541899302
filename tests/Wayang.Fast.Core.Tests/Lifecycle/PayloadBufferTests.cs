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
}
