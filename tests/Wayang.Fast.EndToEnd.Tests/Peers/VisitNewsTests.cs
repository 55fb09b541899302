using Wayang.Fast.Client;
using Wayang.Fast.Contracts.MessagePack;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>What a node takes for news of its call at another one, whatever that one says.</summary>
[Trait("Promise", "PS2")]
public sealed class VisitNewsTests
{
    [Theory]
    [InlineData("ended", "succeeded", true)]
    [InlineData("ended", "failed", true)]
    [InlineData("ended", "running", false)] // no end
    [InlineData("ended", "anything", false)]
    [InlineData("ended", null, false)]
    [InlineData("begun", null, true)]
    [InlineData("anything", null, false)]
    public void What_has_ended_has_an_end(string state, string? end, bool taken)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteMapHeader(end is null ? 1 : 2);
        writer.WriteString("state"u8);
        writer.WriteString(state);
        if (end is not null)
        {
            writer.WriteString("end"u8);
            writer.WriteMapHeader(1);
            writer.WriteString("state"u8);
            writer.WriteString(end);
        }

        writer.Commit();
        var reader = new MessagePackReader(buffer.WrittenSpan);
        Assert.Equal(taken, HandoverDecoders.News(ref reader) is not null);
    }
}
