using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>Queued tasks that are held or moved: whatever order their places come up in, each is started once.</summary>
public class MoveTests
{
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly RecordingObserver _observer = new();

    public MoveTests()
    {
        _table = new TaskTable(new TaskTableOptions(4, 1), _time);
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(1, TimeSpan.FromSeconds(10), 1 << 20), _time);
    }

    private TaskRecord Admit(byte level = 32)
    {
        Assert.True(_table.TryRent(out var record));
        record.Level = level;
        _lifecycle.Admit(record, _observer, 1);
        return record;
    }

    private bool ComesUp(TaskRecord record, byte level) => _lifecycle.TryStart(record, _time.GetTimestamp(), running: false, level);

    [Fact]
    public void ARaisedTaskStartsFromItsNewPlaceAndItsOldOneIsEmpty()
    {
        var record = Admit();
        Assert.Equal(QueuedChange.Enqueue, _lifecycle.Move(record, 40));
        Assert.True(ComesUp(record, 40));
        Assert.Equal(QueuedChange.NotQueued, _lifecycle.Move(record, 33));
        Assert.Equal(40, record.Level);
        Assert.False(ComesUp(record, 32)); // while it runs
        Assert.Equal((TaskState.Starting, 0), (record.State, _lifecycle.Moves));
        Assert.Throws<InvalidOperationException>(() => ComesUp(record, 32));
    }

    [Fact]
    public void ALoweredTaskDoesNotStartFromTheHigherPlaceThatItLeft()
    {
        var record = Admit();
        Assert.Equal(QueuedChange.Enqueue, _lifecycle.Move(record, 10));
        Assert.Equal(QueuedChange.Enqueue, _lifecycle.Move(record, 20));
        Assert.Equal(2, _lifecycle.Moves);
        Assert.False(ComesUp(record, 32));
        Assert.True(ComesUp(record, 20));
        _lifecycle.Run(record);
        Assert.True(_lifecycle.End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit)));
        Assert.True(_lifecycle.End(Ended(), TaskState.Succeeded, new TaskCause(CauseType.Exit))); // pushes it out of retention
        Assert.True(_table.TryRent(out var other));
        Assert.NotSame(record, other); // its last place still names it
        Assert.False(ComesUp(record, 10));
        Assert.True(_table.TryRent(out var again));
        Assert.Same(record, again);
    }

    /// <summary>What dispatch does: each place that comes up is given back to admission, whatever it was.</summary>
    [Fact]
    public void AdmissionCountsWhatWaitsWithOrWithoutAPlace()
    {
        var gate = new AdmissionGate(new AdmissionOptions(10, 1000, 100));
        _lifecycle.Admission = gate;
        void Up(TaskRecord task, byte level, bool starts)
        {
            gate.Release(task.AdmittedBytes);
            Assert.Equal(starts, ComesUp(task, level));
        }

        Assert.Null(gate.TryAdmit(7));
        var record = Admit();
        record.AdmittedBytes = 7;
        _lifecycle.Move(record, 33);
        Assert.Equal((2, 14), (gate.Queued, gate.QueuedBytes));
        TaskLifecycle.Pause(record);
        Up(record, 33, starts: false);
        Up(record, 32, starts: false);
        Assert.Equal((1, 7), (gate.Queued, gate.QueuedBytes)); // paused without a place
        Assert.Equal(QueuedChange.Enqueue, TaskLifecycle.Resume(record));
        Up(record, 33, starts: true);
        Assert.Equal((0, 0), (gate.Queued, gate.QueuedBytes));
        _lifecycle.End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit));

        Assert.Null(gate.TryAdmit(7));
        var cancelled = Admit();
        cancelled.AdmittedBytes = 7;
        TaskLifecycle.Pause(cancelled);
        Up(cancelled, 32, starts: false);
        Assert.True(_lifecycle.TryEndQueued(cancelled, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        Assert.Equal((0, 0), (gate.Queued, gate.QueuedBytes));

        Assert.Null(gate.TryAdmit(7));
        var waiting = Admit();
        waiting.AdmittedBytes = 7;
        TaskLifecycle.Pause(waiting);
        Assert.True(_lifecycle.TryEndQueued(waiting, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        Up(waiting, 32, starts: false);
        Assert.Equal((0, 0), (gate.Queued, gate.QueuedBytes));
    }

    private TaskRecord Ended()
    {
        var record = Admit();
        Assert.True(ComesUp(record, 32));
        return record;
    }

    [Fact]
    public void TheLastPlaceStartsATaskEvenWhereAgeingLiftedIt()
    {
        var record = Admit();
        Assert.Equal(QueuedChange.Enqueue, _lifecycle.Move(record, 10));
        Assert.False(ComesUp(record, 26)); // the new place, lifted by ageing, is taken for the old one
        Assert.True(ComesUp(record, 32));
    }

    [Fact]
    public void AHeldTaskIsPassedOverAndGetsAPlaceAgain()
    {
        var record = Admit();
        Assert.Equal(QueuedChange.Done, TaskLifecycle.Pause(record));
        Assert.Equal(QueuedChange.Done, TaskLifecycle.Pause(record));
        Assert.True(record.Life!.Facts().Paused);
        Assert.False(ComesUp(record, 32));
        Assert.Equal(TaskState.Queued, record.State);
        Assert.Equal(QueuedChange.Done, _lifecycle.Move(record, 50)); // it has no place to leave
        Assert.Equal(QueuedChange.Enqueue, TaskLifecycle.Resume(record));
        Assert.Equal(QueuedChange.Done, TaskLifecycle.Resume(record));
        Assert.True(ComesUp(record, 50));
    }

    [Fact]
    public void ATaskThatIsResumedBeforeItsTurnKeepsItsPlace()
    {
        var record = Admit();
        TaskLifecycle.Pause(record);
        Assert.Equal(QueuedChange.Done, TaskLifecycle.Resume(record));
        Assert.True(ComesUp(record, 32));
        Assert.Equal(QueuedChange.NotQueued, TaskLifecycle.Pause(record));
        Assert.Equal(QueuedChange.NotQueued, TaskLifecycle.Resume(record));
    }

    [Fact]
    public void AMovedOrHeldTaskThatIsCancelledIsRecycledWhenItsPlacesCameUp()
    {
        var record = Admit();
        _lifecycle.Move(record, 33);
        TaskLifecycle.Pause(record);
        _lifecycle.Move(record, 34);
        Assert.True(_lifecycle.TryEndQueued(record, TaskState.Cancelled, new TaskCause(CauseType.Cancelled)));
        _time.Advance(TimeSpan.FromMinutes(1));
        _lifecycle.Sweep(10);
        Assert.False(ComesUp(record, 32));
        Assert.False(ComesUp(record, 33));
        Assert.Null(_table.Find(record.Id)); // forgotten, and not yet free
        Assert.False(ComesUp(record, 34));
        Assert.Equal((TaskState.None, 0), (record.State, _lifecycle.Moves));
        Assert.Single(_observer.Ends);
    }

    [Fact]
    public void PlacesLeftBehindAreBounded()
    {
        var record = Admit();
        for (var i = 0; i < 127; i++)
        {
            Assert.Equal(QueuedChange.Enqueue, _lifecycle.Move(record, (byte)(i % 2)));
        }

        Assert.Equal(QueuedChange.TooManyMoves, _lifecycle.Move(record, 5));
        Assert.Equal(0, record.Level);
        Assert.Equal(127, _lifecycle.Moves);
    }
}
