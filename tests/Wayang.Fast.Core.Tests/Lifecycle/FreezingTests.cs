using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;

namespace Wayang.Fast.Core.Tests.Lifecycle;

/// <summary>Only what runs is frozen; what is frozen goes on, or has its one end like any other.</summary>
[Trait("Promise", "PS1")]
public sealed class FreezingTests
{
    private static readonly TaskCause Exit = new(CauseType.Exit);
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly RecordingObserver _observer = new();

    public FreezingTests()
    {
        _table = new TaskTable(new TaskTableOptions(4, 1), _time);
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(1, TimeSpan.FromSeconds(10), 1 << 20), _time);
    }

    private TaskRecord Admit(out TaskId id)
    {
        Assert.True(_table.TryRent(out var record));
        record.Input.Set("in"u8);
        id = _lifecycle.Admit(record, _observer, 5);
        return record;
    }

    [Fact]
    public void Only_what_runs_is_frozen_and_only_what_is_frozen_goes_on()
    {
        var record = Admit(out var id);
        Assert.False(_lifecycle.TryFreeze(record, id));
        Assert.True(_lifecycle.TryStart(record));
        Assert.False(_lifecycle.TryFreeze(record, id));
        _lifecycle.Run(record);
        Assert.False(_lifecycle.TryThaw(record, id));
        Assert.True(_lifecycle.TryFreeze(record, id));
        Assert.Equal(TaskState.Frozen, record.State);
        Assert.False(_lifecycle.TryFreeze(record, id));
        Assert.True(_lifecycle.TryThaw(record, id));
        Assert.Equal(TaskState.Running, record.State);
    }

    [Fact]
    public void A_frozen_task_has_one_end_and_its_input_goes_with_it()
    {
        var record = Admit(out var id);
        _lifecycle.TryStart(record);
        _lifecycle.Run(record);
        _lifecycle.TryFreeze(record, id);
        Assert.True(_lifecycle.Note(id, new TaskPreemption(1, 0, id, new PreemptionReason("why"), DateTimeOffset.UnixEpoch)));
        Assert.True(_lifecycle.End(record, TaskState.Cancelled, Exit));
        Assert.False(_lifecycle.TryThaw(record, id));
        Assert.False(_lifecycle.TryFreeze(record, id));
        Assert.False(_lifecycle.End(record, TaskState.Failed, Exit));
        Assert.Equal([(id, TaskState.Cancelled, CauseType.Exit, 5L)], _observer.Ends);
        Assert.Equal((0, 1), (record.Input.Length, record.Life!.Facts().Preemption!.Times));
    }

    /// <summary>Who freezes may come late: the record is another task's by then.</summary>
    [Fact]
    public void A_record_that_became_another_tasks_is_left_alone()
    {
        var first = Admit(out var old);
        _lifecycle.TryStart(first);
        _lifecycle.Run(first);
        _lifecycle.End(first, TaskState.Succeeded, Exit);
        TaskRecord record;
        TaskId id;
        do
        {
            record = Admit(out id);
            _lifecycle.TryStart(record);
            _lifecycle.Run(record);
            if (record != first)
            {
                _lifecycle.End(record, TaskState.Succeeded, Exit);
            }
        }
        while (record != first);

        Assert.NotEqual(old, id);
        Assert.False(_lifecycle.TryFreeze(record, old));
        Assert.False(_lifecycle.Note(old, new TaskPreemption(1, 0, id, new PreemptionReason("why"), null)));
        Assert.Equal((TaskState.Running, null), (record.State, record.Life));
        Assert.True(_lifecycle.TryFreeze(record, id));
        Assert.False(_lifecycle.TryThaw(record, old));
    }
}
