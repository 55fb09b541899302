using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Lifecycle;

public class TaskLifecycleTests
{
    private static readonly TaskCause Exit = new(CauseType.Exit);
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly RecordingObserver _observer = new();

    public TaskLifecycleTests()
    {
        _table = new TaskTable(new TaskTableOptions(8, 0x123456), _time);
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(3, TimeSpan.FromSeconds(10), 1000), _time);
    }

    private TaskRecord Admit(out TaskId id, ITaskObserver? observer = null, long token = 1)
    {
        Assert.True(_table.TryRent(out var record));
        id = _lifecycle.Admit(record, observer ?? _observer, token);
        return record;
    }

    private TaskRecord Running(out TaskId id)
    {
        var record = Admit(out id);
        Assert.True(_lifecycle.TryStart(record));
        _lifecycle.Run(record);
        return record;
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void ATaskEndsOnceWithItsCauseAndTimes()
    {
        var record = Admit(out var id, token: 77);
        Assert.Equal(TaskState.Queued, record.State);
        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.True(_lifecycle.TryStart(record));
        _time.Advance(TimeSpan.FromMilliseconds(3));
        _lifecycle.Run(record);
        _time.Advance(TimeSpan.FromMilliseconds(4));
        Assert.True(_lifecycle.End(record, TaskState.Failed, new TaskCause(CauseType.Signal, 11)));
        Assert.False(_lifecycle.End(record, TaskState.Succeeded, Exit));
        Assert.Equal([(id, TaskState.Failed, CauseType.Signal, 77L)], _observer.Ends);
        Assert.Equal((2000, 3000, 4000), (record.QueueMicroseconds, record.StartMicroseconds, record.RunMicroseconds));
        Assert.Equal(1, _lifecycle.Counters.Of(TaskState.Failed));
        Assert.Equal(1, _lifecycle.Counters.Of(CauseType.Signal));
        Assert.Equal(0x123456u, id.BootTag);
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds(), id.UnixMilliseconds + 9);
    }

    [Fact]
    [Trait("Promise", "PM1")]
    public void TheSpansOfATaskAreRecordedInItsClassOnceItEnded()
    {
        var record = Admit(out _);
        record.Level = 40;
        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.True(_lifecycle.TryStart(record));
        _time.Advance(TimeSpan.FromMilliseconds(3));
        _lifecycle.Run(record);
        _time.Advance(TimeSpan.FromMilliseconds(4));
        Assert.Equal(0, _lifecycle.Times.Of(TaskClass.Urgent, TaskSpan.Queue).Total);
        _lifecycle.End(record, TaskState.Succeeded, Exit);

        // Cancelled while it waited: it has no span.
        Assert.True(_lifecycle.TryEndQueued(Admit(out _), TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        double Milliseconds(TaskSpan span) => _lifecycle.Times.Of(TaskClass.Urgent, span).Sum * _lifecycle.Times.SecondsPerTick * 1e3;
        Assert.Equal((2, 3, 4), (Milliseconds(TaskSpan.Queue), Milliseconds(TaskSpan.Start), Milliseconds(TaskSpan.Run)));
        Assert.Equal(1, Enum.GetValues<TaskClass>().Sum(c => _lifecycle.Times.Of(c, TaskSpan.Queue).Total));
        Assert.Equal((1, 1, 2), (
            _lifecycle.Counters.Of(TaskState.Succeeded, CauseType.Exit), _lifecycle.Counters.Of(TaskState.Cancelled, CauseType.Cancelled),
            _lifecycle.Counters.Total));
    }

    [Fact]
    [Trait("Promise", "CFG")]
    public void ALowerRetentionHoldsFromTheNextSweepAndNeverGrowsBeyondTheStart()
    {
        for (var i = 0; i < 3; i++)
        {
            _lifecycle.End(Running(out _), TaskState.Succeeded, Exit);
        }

        _lifecycle.ChangeRetention(new RetentionOptions(1, TimeSpan.FromSeconds(10), 1000));
        Assert.Equal(2, _lifecycle.Sweep(100));
        Assert.Equal(1, _lifecycle.Retained);
        _lifecycle.ChangeRetention(new RetentionOptions(1_000_000, TimeSpan.FromSeconds(10), 1000));
        for (var i = 0; i < 6; i++)
        {
            _lifecycle.End(Running(out _), TaskState.Succeeded, Exit);
        }

        Assert.Equal(3, _lifecycle.Retained);
        _lifecycle.ChangeRetention(new RetentionOptions(3, TimeSpan.FromMilliseconds(1), 1000));
        _time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(3, _lifecycle.Sweep(100));
    }

    [Fact]
    public void TheBlocksOfAStreamCountForRetention()
    {
        _lifecycle.ChangeRetention(new RetentionOptions(3, TimeSpan.FromSeconds(10), 1 << 20));
        var record = Running(out _);
        record.Log.AppendWhole(new byte[80_000], 1 << 20);
        _lifecycle.End(record, TaskState.Succeeded, Exit);
        Assert.Equal(131_072, _lifecycle.RetainedBytes);
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void WrongTransitionsAreDefects()
    {
        Assert.True(_table.TryRent(out var record));
        Assert.Throws<InvalidOperationException>(() => _lifecycle.TryStart(record));
        Assert.Throws<InvalidOperationException>(() => _lifecycle.End(record, TaskState.Failed, Exit));
        _lifecycle.Admit(record, null, 0);
        Assert.Throws<InvalidOperationException>(() => _lifecycle.Admit(record, null, 0));
        Assert.Throws<InvalidOperationException>(() => _lifecycle.Run(record));
        Assert.Throws<InvalidOperationException>(() => _table.Return(record));
        Assert.Throws<ArgumentOutOfRangeException>(() => _lifecycle.End(record, TaskState.Running, Exit));
        Assert.True(_lifecycle.TryStart(record));
        Assert.Throws<InvalidOperationException>(() => _lifecycle.TryStart(record));
    }

    [Fact]
    public void AnEndWhileQueuedLeavesATombstoneThatTheSchedulerConsumes()
    {
        var record = Admit(out var id);
        Assert.True(_lifecycle.End(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        for (var i = 0; i < 5; i++)
        {
            _lifecycle.End(Running(out _), TaskState.Succeeded, Exit); // pushes it out of retention
        }

        Assert.Null(_table.Find(id));
        Assert.NotSame(record, Admit(out _)); // not used again: the scheduler still holds its slot
        Assert.False(_lifecycle.TryStart(record));
        Assert.Equal(TaskState.None, record.State);
        Assert.Same(record, Admit(out _));
    }

    [Fact]
    public void RetentionForgetsTheOldestByCountBytesAndTime()
    {
        var ids = new TaskId[5];
        for (var i = 0; i < 5; i++)
        {
            _lifecycle.End(Running(out ids[i]), TaskState.Succeeded, Exit);
        }

        Assert.Equal([false, false, true, true, true], ids.Select(id => _table.Find(id) is not null));
        var large = Running(out var largeId);
        large.Output.Set(new byte[900]); // 1,024 pooled bytes: over the bound at once
        _lifecycle.End(large, TaskState.Succeeded, Exit);
        Assert.Null(_table.Find(largeId));
        Assert.Equal(3, _lifecycle.Retained); // they hold nothing
        Assert.Equal(0, _lifecycle.RetainedBytes);
        _lifecycle.End(Running(out var last), TaskState.Succeeded, Exit);
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(3, _lifecycle.Sweep(10));
        Assert.Null(_table.Find(last));
    }

    /// <summary>One large output is worth hundreds of small ones: they go piece by piece, and nobody's end waits for all of them.</summary>
    [Fact]
    [Trait("Promise", "TR2")]
    public void WhatALargeOutputPushesOutIsForgottenPieceByPiece()
    {
        var table = new TaskTable(new TaskTableOptions(2048, 0x123456), _time);
        var lifecycle = new TaskLifecycle(table, new RetentionOptions(1500, TimeSpan.FromSeconds(10), 1 << 20), _time);
        for (var i = 0; i < 1000; i++)
        {
            End(new byte[1000]);
        }

        Assert.Equal(1000 << 10, lifecycle.RetainedBytes);
        End(new byte[128 << 10]); // of an eighth of the bound
        Assert.Equal((897, 1 << 20), (lifecycle.Retained, lifecycle.RetainedBytes)); // what that is worth, and no more
        End(new byte[400 << 10]); // a block of half a megabyte: more than an eighth may not be owed, and no more than that goes at once
        Assert.Equal((1 << 20) + (1 << 17), lifecycle.RetainedBytes);
        Assert.Equal(100, lifecycle.Sweep(100));
        Assert.Equal(28, lifecycle.Sweep(100));
        Assert.Equal(1 << 20, lifecycle.RetainedBytes);

        void End(byte[] output)
        {
            Assert.True(table.TryRent(out var record));
            lifecycle.Admit(record, _observer, 1);
            Assert.True(lifecycle.TryStart(record));
            lifecycle.Run(record);
            record.Output.Set(output);
            lifecycle.End(record, TaskState.Succeeded, Exit);
        }
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void ABatchOfEndsMayExceedRetentionAndGivesEachRecordBackOnce()
    {
        var ids = new TaskId[7]; // more than retention has room for beside its bound of 3
        for (var i = 0; i < ids.Length; i++)
        {
            Assert.True(_lifecycle.End(Running(out ids[i]), TaskState.Succeeded, Exit, now: i + 1));
        }

        _lifecycle.ForgetExcess(now: 8);
        Assert.Equal(3, _lifecycle.Retained);
        Assert.Equal([false, false, false, false, true, true, true], ids.Select(id => _table.Find(id) is not null));
        var free = new HashSet<int>();
        while (_table.TryRent(out var record))
        {
            Assert.Equal(TaskState.None, record.State);
            Assert.True(free.Add(record.Slot), "a record was given out twice");
        }

        Assert.Equal(_table.MaxTasks - 3, free.Count);
    }

    [Fact]
    public void WaitersAreToldOnceInOrderAndMayWithdraw()
    {
        var record = Admit(out var id, token: 1);
        var other = new RecordingObserver();
        Assert.True(_lifecycle.AddWaiter(id, other, 2, out _));
        Assert.True(_lifecycle.AddWaiter(id, other, 3, out _));
        Assert.True(_lifecycle.AddWaiter(id, other, 4, out _));
        Assert.True(_lifecycle.RemoveWaiter(id, other, 3));
        Assert.False(_lifecycle.RemoveWaiter(id, other, 3));
        Assert.True(_lifecycle.RemoveWaiter(id, _observer, 1));
        Assert.False(_lifecycle.RemoveWaiter(id, _observer, 1));
        _lifecycle.End(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled));
        _lifecycle.EndBatch();
        _lifecycle.EndBatch();
        Assert.Empty(_observer.Ends);
        Assert.Equal([2L, 4L], other.Ends.Select(e => e.Token));
        Assert.Equal(1, other.Batches);
        Assert.Equal(0, _observer.Batches);
        Assert.False(_lifecycle.AddWaiter(id, other, 5, out var ended));
        Assert.Same(record, ended);
        _lifecycle.Unpin(ended!);
        Assert.False(_lifecycle.RemoveWaiter(id, other, 2));
    }

    [Fact]
    public void APinKeepsARecordThatRetentionForgot()
    {
        var record = Running(out var id);
        Assert.True(_lifecycle.TryPin(id, out _));
        record.Output.Set(new byte[2000]);
        _lifecycle.End(record, TaskState.Succeeded, Exit);
        Assert.False(_lifecycle.TryPin(id, out _));
        Assert.Equal(2000, record.Output.Length);
        _lifecycle.Unpin(record);
        Assert.Equal(0, record.Output.Length);
        Assert.Throws<InvalidOperationException>(() => _lifecycle.Unpin(record));
    }

    /// <summary>Who copies megabytes must not do it on the thread that ends everybody's tasks; the record waits for him, though it is forgotten.</summary>
    [Theory]
    [Trait("Promise", "IM3")]
    [InlineData(TaskLifecycle.LargeResultBytes, false)]
    [InlineData(TaskLifecycle.LargeResultBytes + 1, true)]
    public void ALargeResultIsToldBesideTheThreadThatEndsTasks(int bytes, bool beside)
    {
        _lifecycle.ChangeRetention(new RetentionOptions(3, TimeSpan.FromSeconds(10), 0));
        using var held = new HoldingObserver(holds: beside);
        using var waiter = new HoldingObserver(holds: false);
        var record = Admit(out var id, held, token: 5);
        Assert.True(_lifecycle.TryStart(record));
        _lifecycle.Run(record);
        Assert.True(_lifecycle.AddWaiter(id, waiter, 6, out _));
        record.Stdout.AppendBounded(new byte[bytes - 1], int.MaxValue);
        record.Log.AppendWhole("x"u8, int.MaxValue);

        _lifecycle.End(record, TaskState.Succeeded, Exit); // would never come back if it told
        _lifecycle.EndBatch();
        Assert.True(held.Told.Wait(TimeSpan.FromSeconds(30)));
        if (beside)
        {
            // Forgotten meanwhile, since there is no room for it; the bytes are there until all have been told.
            Assert.False(_lifecycle.TryPin(id, out _));
            Assert.Equal(bytes, record.ResultBytes);
        }

        Assert.Equal(beside ? 0 : 1, waiter.Told.IsSet ? 1 : 0);
        held.GoOn.Set();
        Assert.True(held.Batch.Wait(TimeSpan.FromSeconds(30)));
        Assert.True(waiter.Batch.Wait(TimeSpan.FromSeconds(30)));
        Assert.Equal((bytes, beside), (held.Bytes, held.Thread != Environment.CurrentManagedThreadId));
        Assert.Equal((bytes, beside), (waiter.Bytes, waiter.Thread != Environment.CurrentManagedThreadId));
        Assert.True(SpinWait.SpinUntil(() => record.ResultBytes == 0 || !beside, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void WhoComesAfterTheEndOfALargeResultIsToldBesideHim()
    {
        _lifecycle.ChangeRetention(new RetentionOptions(3, TimeSpan.FromSeconds(10), 1 << 20));
        var record = Running(out var id);
        record.Stdout.AppendBounded(new byte[TaskLifecycle.LargeResultBytes + 1], int.MaxValue);
        _lifecycle.End(record, TaskState.Succeeded, Exit);
        using var late = new HoldingObserver(holds: true);
        Assert.False(_lifecycle.AddWaiter(id, late, 7, out var ended));
        _lifecycle.TellEnded(ended!, late, 7);
        Assert.True(late.Told.Wait(TimeSpan.FromSeconds(30)));
        late.GoOn.Set();
        Assert.True(late.Batch.Wait(TimeSpan.FromSeconds(30)));
        Assert.Equal(TaskLifecycle.LargeResultBytes + 1, late.Bytes);
    }

    private sealed class HoldingObserver(bool holds) : ITaskObserver, IDisposable
    {
        public ManualResetEventSlim Told { get; } = new();

        public ManualResetEventSlim GoOn { get; } = new(!holds);

        public ManualResetEventSlim Batch { get; } = new();

        public int Bytes { get; private set; }

        public int Thread { get; private set; }

        public void OnTaskEnded(ITaskView task, long token)
        {
            Thread = Environment.CurrentManagedThreadId;
            Told.Set();
            GoOn.Wait();
            Bytes = task.Stdout.Length + task.Log.Length;
        }

        public void OnBatchEnd() => Batch.Set();

        public void Dispose()
        {
            Told.Dispose();
            GoOn.Dispose();
            Batch.Dispose();
        }
    }

    [Fact]
    public void SnapshotsAndOutputBelongToTheTenant()
    {
        Assert.True(_table.TryRent(out var record));
        record.Tenant = 5;
        record.Kind = TaskKind.Call;
        var id = _lifecycle.Admit(record, null, 0);
        _lifecycle.TryStart(record);
        _lifecycle.Run(record);
        record.Stdout.AppendBounded("hello"u8, 100);
        TargetNames names = static (CallTarget? _, ushort _, out string image, out string name) => (image, name) = ("img", "fn");
        Assert.Null(_lifecycle.Snapshot(id, 6, names));
        Assert.Equal(("img", "fn", 5, TaskState.Running), _lifecycle.Snapshot(id, 5, names) is { } s ? (s.Image, s.Function, s.StdoutBytes, s.State) : default);
        var buffer = new byte[3];
        Assert.False(_lifecycle.ReadOutput(id, 6, OutputStream.Stdout, 0, buffer, out _));
        Assert.True(_lifecycle.ReadOutput(id, 5, OutputStream.Stdout, 1, buffer, out var chunk));
        Assert.Equal(new OutputChunk(3, 5, 0, Ended: false), chunk);
        Assert.Equal("ell"u8.ToArray(), buffer);
        Assert.True(_lifecycle.ReadOutput(id, 5, OutputStream.Stderr, 0, buffer, out chunk));
        Assert.Equal(0, chunk.Count);
    }

    [Fact]
    public void TheTableIsBoundedAndAnIdOfAnotherStartIsNotFound()
    {
        var ids = new TaskId[8];
        for (var i = 0; i < 8; i++)
        {
            Admit(out ids[i]);
        }

        Assert.False(_table.TryRent(out _));
        Assert.NotNull(_table.Find(ids[3]));
        Assert.Null(_table.Find(TaskId.Create(ids[3].UnixMilliseconds, 1, ids[3].Generation, ids[3].Slot)));
        Assert.Null(_table.Find(TaskId.Create(ids[3].UnixMilliseconds, 0x123456, ids[3].Generation + 1, ids[3].Slot)));
        Assert.Null(_table.Find(TaskId.Create(ids[3].UnixMilliseconds, 0x123456, 1, 1_000_000)));
        Assert.Null(_table.Find(TaskId.Create(ids[3].UnixMilliseconds, 0x123456, 1, -1)));
    }
}
