using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>States as a worker may write them, whole or not: what it announced and did not bring is nobody's and stays counted nowhere.</summary>
[Trait("Promise", "TR1")]
public sealed class SaveReceiverTests : IDisposable
{
    private const byte Saved = ChannelLayout.KindSaved;

    private readonly TaskLifecycle _lifecycle;
    private readonly TaskTable _table = new(new TaskTableOptions(8, 1), TimeProvider.System);
    private readonly CallWorker _worker = Worker();
    private readonly SaveReceiver _receiver;
    private readonly TaskRecord _record;

    public SaveReceiverTests()
    {
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(4, TimeSpan.FromMinutes(1), 1 << 20), TimeProvider.System);
        _receiver = new SaveReceiver(_lifecycle, new LiveOptions(new RuntimeOptions { MaxStatesBytes = 1_000 }));
        _worker.Channel.StateBytes = 600;
        Assert.True(_table.TryRent(out var record));
        _record = record;
        _lifecycle.Admit(_record, null, 0);
        Assert.True(_lifecycle.TryStart(_record));
        _lifecycle.Run(_record);
    }

    public void Dispose() => _worker.Dispose();

    [Fact]
    public void The_last_whole_one_is_the_tasks_and_goes_with_it()
    {
        Whole([1, 2, 3]);
        Whole([4, 5]);
        Assert.Equal([4, 5], _record.Life!.Saved!.Bytes.ToArray());
        Assert.Equal((2, 2), (_lifecycle.States.Bytes, _lifecycle.Saves));
        Assert.Null(Put(first: true, last: false, 100, new byte[40]));
        Assert.Equal([4, 5], _record.Life.Saved.Bytes.ToArray()); // the other one is not whole
        Assert.Equal(102, _lifecycle.States.Bytes);
        Assert.Null(Put(first: false, last: true, 100, new byte[60]));
        Assert.Equal((100, 100), (_record.Life.Saved.Bytes.Length, _lifecycle.States.Bytes));
        _lifecycle.End(_record, TaskState.Succeeded, new TaskCause(CauseType.Exit));
        Assert.Equal(0, _lifecycle.States.Bytes);
        Assert.Equal(100, _record.Life.Facts().Saved!.Bytes); // what is told of it stays
    }

    [Fact]
    public void One_that_never_became_whole_is_forgotten()
    {
        Assert.Null(Put(first: true, last: false, 500, new byte[40]));
        Whole([7]);
        Assert.Equal(1, _lifecycle.States.Bytes);
        Assert.Null(Put(first: true, last: false, 500, new byte[40]));
        _worker.DropSaving(); // its worker goes
        Assert.Equal(1, _lifecycle.States.Bytes);
    }

    [Fact]
    public void What_is_over_its_bound_breaks_a_rule_and_what_is_over_the_nodes_is_left_out()
    {
        Assert.Contains("601", Put(first: true, last: false, 601, new byte[40]), StringComparison.Ordinal);
        Assert.Equal(0, _lifecycle.States.Bytes);
        Whole([.. Enumerable.Repeat((byte)9, 600)]);
        Assert.Null(Put(first: true, last: false, 500, new byte[300]));
        Assert.Null(Put(first: false, last: true, 500, new byte[200]));
        Assert.Equal((600, 600, 1), (_record.Life!.Saved!.Bytes.Length, _lifecycle.States.Bytes, _lifecycle.States.Refused));
        Assert.NotNull(Put(first: true, last: true, 100, new byte[101]));
    }

    /// <summary>Who sends it to a worker keeps it, whatever becomes of its task meanwhile.</summary>
    [Fact]
    public void One_that_is_held_stays_as_it_is()
    {
        Whole([1, 2, 3]);
        var held = _record.Life!.Saved!;
        Assert.True(held.TryHold());
        Whole([4]);
        Assert.Equal([1, 2, 3], held.Bytes.ToArray());
        _lifecycle.End(_record, TaskState.Succeeded, new TaskCause(CauseType.Exit));
        Assert.Equal([1, 2, 3], held.Bytes.ToArray());
        Assert.Equal(3, _lifecycle.States.Bytes);
        Assert.True(held.Release());
        Assert.False(held.TryHold());
        Assert.Equal(0, _lifecycle.States.Bytes);
    }

    private void Whole(byte[] bytes) => Assert.Null(Put(first: true, last: true, bytes.Length, bytes));

    private string? Put(bool first, bool last, long total, byte[] bytes) =>
        _receiver.Apply(_worker, _record, new Completion(1, Saved, first, last, bytes.Length, total), bytes);

    private static CallWorker Worker()
    {
        var image = new Image("hash", "compute", ImageKind.CPlugin, -1, 0);
        var pool = new WorkerPool(new PoolKey("hash", "compute", 0, WorkerReuse.Tenant), new Tenant(new TenantPolicy(0, "default")), image, 0, 1);
        return new CallWorker(1, pool, ChannelMemory.Create(new ChannelGeometry { RequestArenaBytes = 4096, CompletionArenaBytes = 4096 }), 1);
    }
}
