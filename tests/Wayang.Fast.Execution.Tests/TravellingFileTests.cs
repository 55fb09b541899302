using System.Security.Cryptography;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A call that one node sends while it writes it down, and another checks and rewrites while it comes.</summary>
[Trait("Promise", "PS2")]
public sealed class TravellingFileTests : IDisposable
{
    private const string Image = "cafe";
    private const string Profile = "compute";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly WorkerShape s_shape = new(new ChannelGeometry { WorkerSpin = 7, Epoch = ulong.MaxValue - 1 }, 3);

    private readonly DirectoryInfo _place = Directory.CreateTempSubdirectory("wayang-travelling-");
    private readonly TaskId _task = new(0, 4711);
    private readonly CheckpointStore _home;
    private readonly CheckpointStore _host;
    private readonly byte[] _memory = RandomNumberGenerator.GetBytes(700_001);

    public TravellingFileTests() => (_home, _host) = (StoreAt("home"), StoreAt("host"));

    public void Dispose()
    {
        _home.Dispose();
        _host.Dispose();
        _place.Delete(recursive: true);
    }

    [Fact]
    public async Task What_is_sent_while_it_is_written_is_rewritten_while_it_comes()
    {
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        var seen = new List<WorkerShape>();
        var taken = new SemaphoreSlim(0);
        var receiver = new CallReceiver(between.Far, () => taken.Release());
        var state = new TaskCompletionSource<CheckpointState?>();
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var writing = Beside(() => _home.Write(_task, durable: false, read, s_shape, state.Task, sender));
        var taking = Beside(() => Adopt(receiver, seen.Add));
        Feed(write, _memory.AsSpan(0, _memory.Length / 2));
        for (var i = 0; i < 3; i++)
        {
            Assert.True(await taken.WaitAsync(s_patience, TestContext.Current.CancellationToken)); // its end is far: the call runs on
        }

        Feed(write, _memory.AsSpan(_memory.Length / 2));
        Descriptors.Close(write);
        state.SetResult(State());
        var left = await writing.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Descriptors.Close(read);
        var kept = await taking.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        receiver.Say(new CallWord(CallWordKind.Kept, receiver.Received));
        Assert.Null(await sender.Kept.WaitAsync(s_patience, TestContext.Current.CancellationToken));
        Assert.Equal((left!.Bytes, left.File), (kept.Bytes, sender.Path));
        Assert.Equal([s_shape], seen);

        Assert.Equal(Bytes(State().DaemonSide), Bytes(_host.ReadState(kept.File).DaemonSide)); // as it came
        Assert.Equal(Bytes(State().DaemonSide), Bytes(_host.ReadState(kept.File).DaemonSide)); // of the disk, under its own key
        Assert.Equal(_memory, Stream(_host, kept.File));
        Assert.NotEqual(File.ReadAllBytes(left.File), File.ReadAllBytes(kept.File));

        // And once more, of the file.
        using var again = new ConnectedStreams();
        using var resender = new CallSender(again.Near);
        var retaking = Beside(() => Adopt(new CallReceiver(again.Far), static _ => { }));
        _host.Send(kept.File, resender);
        Assert.Equal(_memory, Stream(_host, (await retaking.WaitAsync(s_patience, TestContext.Current.CancellationToken)).File));
    }

    [Fact]
    public async Task Who_writes_it_down_waits_for_who_takes_it()
    {
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        var writing = Beside(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                sender.Write(CheckpointFile.Kind.Stream, _memory.AsSpan(0, 10_000));
            }

            return 0;
        });
        await Assert.ThrowsAsync<TimeoutException>(() => writing.WaitAsync(TimeSpan.FromMilliseconds(200)));
        between.Far.Write(new CallWord(CallWordKind.Taken, 2 * (10_000 + CallStream.HeadBytes)).Encode()); // room for two, or three
        await Assert.ThrowsAsync<TimeoutException>(() => writing.WaitAsync(TimeSpan.FromMilliseconds(200)));
        var reading = Beside(() =>
        {
            Assert.Throws<EndOfStreamException>(() => new CallReceiver(between.Far).ReadAll(static (_, _) => true));
            return 0;
        });
        await writing.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        sender.Dispose();
        await reading.WaitAsync(s_patience, TestContext.Current.CancellationToken);
    }

    /// <summary>It is written down whatever becomes of the connection: the call goes on at home then.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_that_breaks_or_refuses_costs_the_file_nothing(bool refuses)
    {
        using var between = new ConnectedStreams(TimeSpan.FromSeconds(2));
        using var sender = new CallSender(between.Near);
        if (refuses)
        {
            between.Far.Write(CallWord.Refused(new OperationError(ErrorCode.ResourceExhausted, "no room,\nnowhere", "node", 500)).Encode());
        }
        else
        {
            between.Far.Dispose();
        }

        var (left, memory) = Write(sender);
        Assert.Equal(memory, Stream(_home, left.File));
        var why = await sender.Kept.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.Equal(refuses ? new OperationError(ErrorCode.ResourceExhausted, "no room,\nnowhere", "node", 500) : why, why);
        Assert.Equal(refuses ? ErrorCode.ResourceExhausted : ErrorCode.Unavailable, why!.Code);
    }

    [Theory]
    [InlineData((byte)CallWordKind.Taken, 1L << 40)] // more than was sent
    [InlineData((byte)CallWordKind.Kept, 17)] // of something else
    [InlineData((byte)CallWordKind.Ready, 0)] // it said that before
    [InlineData((byte)9, 0)]
    public async Task Words_that_cannot_be_true_end_the_sending(byte kind, long number)
    {
        using var between = new ConnectedStreams(TimeSpan.FromSeconds(2));
        using var sender = new CallSender(between.Near);
        sender.Begin("a file");
        sender.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
        sender.Write(CheckpointFile.Kind.End, []);
        between.Far.Write(new CallWord((CallWordKind)kind, number).Encode());
        Assert.Equal(ErrorCode.Unavailable, (await sender.Kept.WaitAsync(s_patience, TestContext.Current.CancellationToken))!.Code);
    }

    [Fact]
    public void A_worker_is_made_of_what_comes_behind_its_shape_alone()
    {
        RefuseAll([(CheckpointFile.Kind.Shape, s_shape.Encode()), (CheckpointFile.Kind.Shape, s_shape.Encode())], "in the middle"); // one more would be one more worker
        RefuseAll([(CheckpointFile.Kind.Stream, new byte[10])], "does not begin");
        Assert.Throws<InvalidDataException>(() => WorkerShape.Decode(s_shape.Encode().AsSpan(1)));
        Assert.Throws<InvalidDataException>(() => WorkerShape.Decode(new byte[WorkerShape.Bytes])); // no call in flight
    }

    [Theory]
    [InlineData(CheckpointFile.PieceBytes + 1, 1u)]
    [InlineData(-1, 1u)]
    [InlineData(10, 0u)]
    [InlineData(10, 5u)]
    public void A_piece_that_is_none_is_refused_and_leaves_nothing(int length, uint kind)
    {
        var head = new byte[CallStream.HeadBytes + 10];
        CallStream.WriteHead(head, length, kind);
        using var between = new ConnectedStreams();
        using (var sender = new CallSender(between.Near))
        {
            sender.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
            between.Near.Write(head);
            Assert.Throws<InvalidDataException>(() => Adopt(new CallReceiver(between.Far), static _ => { }));
        }

        LeavesNothing();
    }

    [Fact]
    public void One_that_breaks_off_or_is_of_something_else_is_refused_and_leaves_nothing()
    {
        var state = State();
        RefuseAll([(CheckpointFile.Kind.Shape, s_shape.Encode()), (CheckpointFile.Kind.State, (state with { Task = new TaskId(0, 4712) }).Encode())], "not of");
        RefuseAll([(CheckpointFile.Kind.Shape, s_shape.Encode()), (CheckpointFile.Kind.State, (state with { Image = "beef" }).Encode())], "not of");
        RefuseAll([(CheckpointFile.Kind.Shape, s_shape.Encode()), (CheckpointFile.Kind.State, state.Encode()[..^1])], "damaged");
        using var between = new ConnectedStreams();
        using (var sender = new CallSender(between.Near))
        {
            sender.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
            sender.Write(CheckpointFile.Kind.Stream, _memory.AsSpan(0, 1000));
        }

        Assert.Throws<EndOfStreamException>(() => Adopt(new CallReceiver(between.Far), static _ => { }));
        LeavesNothing();
    }

    [Fact]
    public async Task One_that_is_given_up_leaves_nothing()
    {
        foreach (var isWhole in (bool[])[false, true])
        {
            using var between = new ConnectedStreams();
            using var sender = new CallSender(between.Near);
            using (var file = new ArrivingFile(between.Far, receiver => Adopt(receiver, static _ => { })))
            {
                sender.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
                if (isWhole)
                {
                    sender.Write(CheckpointFile.Kind.State, State().Encode());
                    sender.Write(CheckpointFile.Kind.End, []);
                    await file.Whole.WaitAsync(s_patience, TestContext.Current.CancellationToken);
                }
            }

            LeavesNothing();
        }
    }

    [Fact]
    public async Task A_capture_that_is_given_up_leaves_nothing_and_who_takes_it_sees_that_it_breaks_off()
    {
        using var between = new ConnectedStreams();
        var taking = Beside(() =>
        {
            Assert.Throws<EndOfStreamException>(() => Adopt(new CallReceiver(between.Far), static _ => { }));
            return 0;
        });
        using (var sender = new CallSender(between.Near))
        {
            var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
            var writing = Beside(() => _home.Write(_task, durable: false, read, s_shape, Task.FromResult<CheckpointState?>(null), sender));
            Feed(write, _memory.AsSpan(0, 1000));
            Descriptors.Close(write);
            Assert.Null(await writing.WaitAsync(s_patience, TestContext.Current.CancellationToken));
            Descriptors.Close(read);
            Assert.False(sender.IsSent);
        }

        await taking.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.Empty(Files("home"));
        LeavesNothing();
    }

    private CheckpointStore StoreAt(string name) => new(Path.Combine(_place.FullName, name));

    private string[] Files(string of) => !Directory.Exists(Path.Combine(_place.FullName, of)) ? [] : [.. Directory.GetFiles(Path.Combine(_place.FullName, of)).Where(static f => Path.GetFileName(f) is var name && name.Contains('-', StringComparison.Ordinal))];

    private void LeavesNothing() => Assert.True(SpinWait.SpinUntil(() => Files("host").Length == 0, s_patience), string.Join(", ", Files("host")));

    private static Task<T> Beside<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private TaskCheckpoint Adopt(CallReceiver receiver, Action<WorkerShape> onShape) => _host.Adopt(receiver, durable: false, (_task, Image, Profile), awaiting: null, (_, shape) =>
    {
        onShape(shape);
        return null;
    });

    private void RefuseAll((CheckpointFile.Kind Kind, byte[] Bytes)[] pieces, string why)
    {
        using var between = new ConnectedStreams();
        using var sender = new CallSender(between.Near);
        foreach (var (kind, bytes) in pieces)
        {
            sender.Write(kind, bytes);
        }

        sender.Write(CheckpointFile.Kind.End, []);
        var refused = Assert.Throws<InvalidDataException>(() => Adopt(new CallReceiver(between.Far), static _ => { }));
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
        LeavesNothing();
    }

    private (TaskCheckpoint Left, byte[] Memory) Write(CallSender sender)
    {
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var feeding = Beside(() =>
        {
            Feed(write, _memory);
            Descriptors.Close(write);
            return 0;
        });
        var left = _home.Write(_task, durable: false, read, s_shape, Task.FromResult<CheckpointState?>(State()), sender)!;
        feeding.Wait(s_patience);
        Descriptors.Close(read);
        return (left, _memory);
    }

    private CheckpointState State() => new(_task, Image, Profile, "f")
    {
        Ticket = 0x100, Concurrency = 1, Geometry = new ChannelGeometry(), WriterCursors = [1, 2], ReaderCursors = [3], DaemonSide = ChannelSide.Of([.. Enumerable.Range(0, 5000).Select(static i => (byte)i)]), WorkerSide = ChannelSide.Of([7]),
    };

    private static byte[] Bytes(ChannelSide side) => [.. side.Runs.SelectMany(static r => r.Bytes.ToArray())];

    private static byte[] Stream(CheckpointStore store, string path)
    {
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var copying = Task.Factory.StartNew(
            () =>
            {
                store.CopyStream(path, write);
                Descriptors.Close(write);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var all = new MemoryStream();
        var buffer = new byte[10_000];
        for (var got = Descriptors.Read(read, buffer); got > 0; got = Descriptors.Read(read, buffer))
        {
            all.Write(buffer, 0, got);
        }

        copying.Wait(s_patience);
        Descriptors.Close(read);
        return all.ToArray();
    }

    private static void Feed(int pipe, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[Descriptors.Write(pipe, bytes)..];
        }
    }
}
