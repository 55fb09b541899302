using Xunit;

namespace Wayang.Fast.Interop.Tests;

/// <summary>Copies of a channel's sides, as a call that moves takes them along (PS2).</summary>
public sealed class ChannelSideTests
{
    private const int Page = ChannelSide.PageBytes;

    [Fact]
    public void A_copy_has_the_pages_that_hold_anything()
    {
        var side = new byte[(8 * Page) + 100];
        side[Page] = 1;
        side[(3 * Page) - 1] = 2; // the next page: one run with it
        side[5 * Page] = 3;
        side[^1] = 4; // behind the last whole page
        var copy = ChannelSide.Of(side);
        Assert.Equal(side.Length, copy.Length);
        Assert.Equal([(Page, 2 * Page), (5 * Page, Page), (8 * Page, 100)], copy.Runs.Select(static r => (r.Offset, r.Bytes.Length)));
        Assert.Equal((3 * Page) + 100, copy.Held);
        Assert.Equal(side, Whole(copy));
    }

    [Fact]
    public void A_copy_of_nothing_has_no_run() => Assert.Empty(ChannelSide.Of(new byte[3 * Page]).Runs);

    [Theory]
    [InlineData(-Page, 1, 0, 0)]
    [InlineData(1, 1, 0, 0)]
    [InlineData(3 * Page, Page + 1, 0, 0)]
    [InlineData(8 * Page, 1, 0, 0)]
    [InlineData(Page, Page, Page, 1)]
    [InlineData(Page, Page + 1, 2 * Page, 1)]
    [InlineData(2 * Page, 1, Page, 1)]
    public void Runs_that_are_not_of_the_side_are_refused(int offset, int length, int then, int more) => Assert.Throws<InvalidDataException>(
        () => new ChannelSide(4 * Page, more == 0 ? [(offset, new byte[length])] : [(offset, new byte[length]), (then, new byte[more])]));

    [Fact]
    public void A_channel_becomes_what_another_one_was()
    {
        var geometry = new ChannelGeometry { Epoch = 7 };
        using var first = ChannelMemory.Create(geometry);
        using var second = ChannelMemory.Create(geometry);
        var changed = Whole(first.CopyDaemonSide());
        changed[^1] = 9;
        var worker = Whole(first.CopyWorkerSide());
        worker[5 * Page] = 8;
        Assert.True(second.TryFill(ChannelSide.Of(changed), ChannelSide.Of(worker)));
        Assert.Equal(changed, Whole(second.CopyDaemonSide()));
        Assert.Equal(worker, Whole(second.CopyWorkerSide()));
        Assert.False(second.TryFill(ChannelSide.Of(new byte[Page]), ChannelSide.Of(worker))); // of another geometry
        second.CloseTransferred();
        Assert.Equal(changed, Whole(second.CopyDaemonSide())); // from its mapping now
        Assert.Equal(worker, Whole(second.CopyWorkerSide()));
    }

    private static byte[] Whole(ChannelSide side)
    {
        var bytes = new byte[side.Length];
        foreach (var (offset, run) in side.Runs)
        {
            run.CopyTo(bytes.AsMemory(offset));
        }

        return bytes;
    }
}
