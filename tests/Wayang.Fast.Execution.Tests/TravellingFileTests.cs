using System.Security.Cryptography;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Handover;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A call's file that one node reads while it writes it, and another checks and rewrites while it comes.</summary>
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
    public async Task What_is_read_while_it_grows_is_rewritten_while_it_comes()
    {
        using var reader = new GrowingFile();
        var state = new TaskCompletionSource<CheckpointState?>();
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var writing = Task.Factory.StartNew(() => _home.Write(_task, durable: false, read, s_shape, state.Task, reader), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var half = _memory.Length / 2;
        Feed(write, _memory.AsSpan(0, half));
        await reader.LongerThan(half).WaitAsync(s_patience, TestContext.Current.CancellationToken); // its end is far: the call runs on

        using var file = new ArrivingFile(_host, durable: false, (_task, Image, Profile), reader.Key.Span, awaiting: null, static (_, _) => null);
        await PassAsync(reader, file);
        Assert.True(file.Received > half);
        Feed(write, _memory.AsSpan(half));
        Descriptors.Close(write);
        state.SetResult(State());
        var left = await writing;
        Descriptors.Close(read);
        await PassAsync(reader, file);
        Assert.Equal(left!.Bytes, file.Received);

        var kept = file.Keep();
        Assert.Equal(Bytes(State().DaemonSide), Bytes(_host.ReadState(kept.File).DaemonSide)); // as it came
        Assert.Equal(Bytes(State().DaemonSide), Bytes(_host.ReadState(kept.File).DaemonSide)); // of the disk, under its own key
        Assert.Equal(_memory, Stream(_host, kept.File));
        Assert.NotEqual(File.ReadAllBytes(left.File), File.ReadAllBytes(kept.File));
    }

    [Fact]
    public async Task Who_writes_it_down_waits_for_who_sends_it()
    {
        using var reader = new GrowingFile();
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var writing = Task.Factory.StartNew(
            () => _home.Write(_task, durable: false, read, s_shape, Task.FromResult<CheckpointState?>(null), reader), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Feed(write, _memory.AsSpan(0, 100));
        await reader.LongerThan(0).WaitAsync(s_patience, TestContext.Current.CancellationToken);
        var buffer = new byte[100_000];
        var offset = reader.Read(0, buffer.AsSpan(0, 1));
        Assert.Equal(1, offset);
        var feeding = Task.Factory.StartNew(() => Feed(write, _memory), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Assert.ThrowsAsync<TimeoutException>(() => feeding.WaitAsync(TimeSpan.FromMilliseconds(200))); // what it waits with is more than fits between the two
        while (!feeding.IsCompleted)
        {
            await Task.WhenAny(reader.LongerThan(offset), feeding).WaitAsync(s_patience, TestContext.Current.CancellationToken);
            offset += reader.Read(offset, buffer);
        }

        Descriptors.Close(write);
        reader.Dispose();
        Assert.Null(await writing);
        Descriptors.Close(read);
    }

    /// <summary>One more would be one more worker.</summary>
    [Fact]
    public async Task A_shape_in_the_middle_is_refused()
    {
        byte[] key;
        using var twice = new MemoryStream();
        using (var writer = new CheckpointFile.Writer(twice, RandomNumberGenerator.GetBytes(CheckpointFile.KeyBytes)))
        {
            writer.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
            writer.Write(CheckpointFile.Kind.Shape, s_shape.Encode());
            writer.Write(CheckpointFile.Kind.End, []);
            key = [.. writer.Key];
        }

        var seen = 0;
        await using (var arriving = new MemoryStream(twice.ToArray()))
        {
            var refused = Assert.Throws<InvalidDataException>(() => _host.Adopt(arriving, key, durable: false, (_task, Image, Profile), _ =>
            {
                seen++;
                return null;
            }));
            Assert.Contains("in the middle", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(1, seen);
        LeavesNothing();
    }

    [Fact]
    public async Task The_shape_of_its_worker_comes_first_and_is_what_it_was()
    {
        var (bytes, key) = Written();
        var seen = new List<WorkerShape>();
        using var file = new ArrivingFile(_host, durable: false, (_task, Image, Profile), key, awaiting: null, (_, shape) =>
        {
            seen.Add(shape);
            return null;
        });
        await file.AppendAsync(bytes);
        file.Keep();
        Assert.Equal([s_shape], seen);
        Assert.Throws<InvalidDataException>(() => WorkerShape.Decode(s_shape.Encode().AsSpan(1)));
        Assert.Throws<InvalidDataException>(() => WorkerShape.Decode(new byte[WorkerShape.Bytes])); // no call in flight
    }

    [Theory]
    [InlineData(0)] // its head
    [InlineData(45)] // the kind of its first piece
    [InlineData(350_000)]
    public async Task One_that_was_changed_on_its_way_is_refused_and_leaves_nothing(int at)
    {
        var (bytes, key) = Written();
        bytes[at] ^= 1;
        await RefusedAsync(bytes, key, (_task, Image, Profile));
    }

    [Fact]
    public async Task One_that_breaks_off_is_refused_and_leaves_nothing()
    {
        var (bytes, key) = Written();
        await RefusedAsync(bytes[..^1], key, (_task, Image, Profile));
        await RefusedAsync([], key, (_task, Image, Profile));
    }

    [Fact]
    public async Task One_of_something_else_is_refused_and_leaves_nothing()
    {
        var (bytes, key) = Written();
        await RefusedAsync(bytes, key, (new TaskId(0, 4712), Image, Profile));
        await RefusedAsync(bytes, key, (_task, "beef", Profile));
        await RefusedAsync(bytes, RandomNumberGenerator.GetBytes(key.Length), (_task, Image, Profile));
    }

    [Fact]
    public async Task One_that_is_given_up_leaves_nothing()
    {
        var (bytes, key) = Written();
        foreach (var count in (int[])[0, 100_000, bytes.Length])
        {
            using (var file = new ArrivingFile(_host, durable: false, (_task, Image, Profile), key, awaiting: null, static (_, _) => null))
            {
                await file.AppendAsync(bytes.AsSpan(0, count));
            }

            LeavesNothing();
        }
    }

    [Fact]
    public async Task A_capture_that_is_given_up_leaves_nothing_and_its_reader_unharmed()
    {
        using var reader = new GrowingFile();
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var writing = Task.Factory.StartNew(
            () => _home.Write(_task, durable: false, read, s_shape, Task.FromResult<CheckpointState?>(null), reader), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Feed(write, _memory.AsSpan(0, 1000));
        Descriptors.Close(write);
        Assert.Null(await writing);
        Descriptors.Close(read);
        Assert.True(reader.Read(0, new byte[2000]) > 1000); // it holds what it opened
        Assert.Equal(0, reader.Read(5000, new byte[10]));
        Assert.Empty(Files("home"));
    }

    private CheckpointStore StoreAt(string name) => new(Path.Combine(_place.FullName, name));

    private string[] Files(string of) => !Directory.Exists(Path.Combine(_place.FullName, of)) ? [] : [.. Directory.GetFiles(Path.Combine(_place.FullName, of)).Where(static f => Path.GetFileName(f) is var name && name.Contains('-', StringComparison.Ordinal))];

    private void LeavesNothing() => Assert.True(SpinWait.SpinUntil(() => Files("host").Length == 0, s_patience), string.Join(", ", Files("host")));

    private async Task RefusedAsync(byte[] bytes, byte[] key, (TaskId, string, string) of)
    {
        using (var file = new ArrivingFile(_host, durable: false, of, key, awaiting: null, static (_, _) => null))
        {
            await Assert.ThrowsAsync<InvalidDataException>(async () =>
            {
                for (var at = 0; at < bytes.Length; at += 100_000)
                {
                    await file.AppendAsync(bytes.AsSpan(at, Math.Min(100_000, bytes.Length - at)));
                }

                file.Keep();
            });
        }

        LeavesNothing();
    }

    private (byte[] Bytes, byte[] Key) Written()
    {
        using var reader = new GrowingFile();
        var (read, write) = Descriptors.CreatePipe(nonBlockingRead: false, nonBlockingWrite: false);
        var feeding = Task.Factory.StartNew(
            () =>
            {
                Feed(write, _memory);
                Descriptors.Close(write);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var left = _home.Write(_task, durable: false, read, s_shape, Task.FromResult<CheckpointState?>(State()), reader)!;
        feeding.Wait(s_patience);
        Descriptors.Close(read);
        return (File.ReadAllBytes(left.File), reader.Key.ToArray());
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

    private static async Task PassAsync(GrowingFile from, ArrivingFile to)
    {
        var buffer = new byte[10_000];
        for (var count = from.Read(to.Received, buffer); count > 0; count = from.Read(to.Received, buffer))
        {
            await to.AppendAsync(buffer.AsSpan(0, count));
        }
    }
}
