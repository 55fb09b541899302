using System.Security.Cryptography;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Handover;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What a call that begins anew takes along, between two ends of a connection.</summary>
[Trait("Promise", "PS2")]
public sealed class CallBeginningTests
{
    private const int MostInput = 300_000;
    private const int MostSaved = 200_000;

    [Theory]
    [InlineData(0, null)]
    [InlineData(1, 0)]
    [InlineData(MostInput, MostSaved)]
    [InlineData(CheckpointFile.PieceBytes, CheckpointFile.PieceBytes * 2)]
    public async Task It_comes_as_it_left(int input, int? saved)
    {
        var left = new CallBeginning(7, RandomNumberGenerator.GetBytes(input), saved is { } bytes ? RandomNumberGenerator.GetBytes(bytes) : null);
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        var sending = Beside(() => left.Send(sender));
        var receiver = new CallReceiver(between.Far);
        var came = CallBeginning.Receive(receiver, MostInput, MostSaved);
        await sending;
        receiver.Say(new CallWord(CallWordKind.Kept, receiver.Received));
        Assert.Null(await sender.Kept.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken));
        Assert.Equal((left.Attempt, left.Bytes, left.Saved is null), (came.Attempt, came.Bytes, came.Saved is null));
        Assert.Equal(left.Input, came.Input);
        Assert.Equal(left.Saved ?? [], came.Saved ?? []);
    }

    [Theory]
    [InlineData(MostInput + 1, 0, "limits.payload_bytes")]
    [InlineData(0, MostSaved + 1, "limits.state_bytes")]
    public async Task What_is_larger_than_this_node_allows_is_refused_by_name(int input, int saved, string key)
    {
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        var sending = Beside(() => new CallBeginning(1, new byte[input], new byte[saved]).Send(sender));
        var receiver = new CallReceiver(between.Far);
        var refused = Assert.Throws<InvalidDataException>(() => CallBeginning.Receive(receiver, MostInput, MostSaved));
        Assert.Contains(key, refused.Message, StringComparison.Ordinal);
        receiver.Say(CallWord.Refused(new OperationError(ErrorCode.InvalidArgument, refused.Message)));
        await sending;
        Assert.Equal(ErrorCode.InvalidArgument, (await sender.Kept.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken))!.Code);
    }

    /// <summary>Each a sequence of pieces that no call sends.</summary>
    [Theory]
    [InlineData]
    [InlineData((uint)CheckpointFile.Kind.Input)]
    [InlineData((uint)CheckpointFile.Kind.Saved)]
    [InlineData((uint)CheckpointFile.Kind.Stream)]
    [InlineData((uint)CheckpointFile.Kind.Attempt, (uint)CheckpointFile.Kind.Attempt)]
    [InlineData((uint)CheckpointFile.Kind.Attempt, (uint)CheckpointFile.Kind.State)]
    [InlineData((uint)CheckpointFile.Kind.Attempt, (uint)CheckpointFile.Kind.Saved, (uint)CheckpointFile.Kind.Input)]
    public async Task What_is_none_is_refused(params uint[] pieces)
    {
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        var sending = Beside(() =>
        {
            foreach (var kind in pieces)
            {
                sender.Write((CheckpointFile.Kind)kind, BitConverter.GetBytes(1));
            }

            sender.Write(CheckpointFile.Kind.End, []);
        });
        Assert.Throws<InvalidDataException>(() => CallBeginning.Receive(new CallReceiver(between.Far), MostInput, MostSaved));
        await sending;
    }

    [Fact]
    public void One_that_breaks_off_is_none()
    {
        using var between = new ConnectedStreams();
        between.Near.Write([4, 0, 0, 0, (byte)CheckpointFile.Kind.Attempt, 0, 0, 0, 1, 0]);
        between.Near.Dispose();
        Assert.Throws<EndOfStreamException>(() => CallBeginning.Receive(new CallReceiver(between.Far), MostInput, MostSaved));
    }

    private static Task Beside(Action work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
