using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Preemption;

namespace Wayang.Fast.Core.Tests.Preemption;

[Trait("Promise", "PS1")]
public sealed class PreemptionBookTests
{
    private const byte Idle = 4;
    private const byte Batch = 16;
    private const byte Normal = 32;
    private const byte Urgent = 48;
    private const long Second = 1_000;

    private readonly PreemptionBook _book = new(Second);

    [Fact]
    public void The_lowest_class_yields_first_then_what_ran_least_for_what_it_holds()
    {
        Assert.Equal(2, Chosen(Urgent, One(Batch, 1), One(Batch, 2), One(Idle, 1_000)));
        Assert.Equal(1, Chosen(Urgent, One(Batch, 100), One(Batch, 10)));
        Assert.Equal(0, Chosen(Urgent, One(Batch, 100, 1 << 20), One(Batch, 10, 1 << 30)));
        Assert.Equal(1, Chosen(Urgent, One(20, 10), One(10, 10)));
    }

    [Theory]
    [InlineData(Urgent, Normal)] // normal does not yield where batch is the highest that does
    [InlineData(Normal, Batch)] // normal freezes nobody where urgent is the lowest that does
    [InlineData(55, Urgent)]
    [InlineData(Batch, Batch)]
    public void Nothing_yields_but_to_whom_it_must(byte waiting, byte running)
    {
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(waiting, [One(running, 1)], out var index));
        Assert.Equal((-1, 1), (index, _book.RefusedFor(PreemptionVerdict.NoVictim)));
    }

    [Fact]
    public void Which_classes_yield_to_which_is_the_policys()
    {
        _book.Policy = new PreemptionPolicy { By = TaskClass.Batch, Of = TaskClass.Normal };
        Assert.Equal(0, Chosen(Urgent, One(Normal, 1)));
        Assert.Equal(0, Chosen(Batch, One(Idle, 1)));
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(39, [One(24, 1)], out _)); // the same class
        _book.Policy = new PreemptionPolicy { Enabled = false };
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(Urgent, [One(Idle, 1)], out _));
    }

    [Fact]
    public void Bounds_of_tasks_and_bytes_are_kept_and_told()
    {
        _book.Policy = new PreemptionPolicy { MaxTasks = 2, MaxBytes = 100 };
        _book.Freeze(new FrozenTask(1, Batch, 60, 0, 0));
        Assert.Equal(PreemptionVerdict.TooManyBytes, _book.Choose(Urgent, [One(Batch, 1, 41)], out _));
        Assert.Equal(1, Chosen(Urgent, One(Batch, 1, 41), One(Batch, 1, 40)));
        _book.Freeze(new FrozenTask(2, Batch, 40, 0, 0));
        Assert.Equal(PreemptionVerdict.TooManyTasks, _book.Choose(Urgent, [One(Batch, 1)], out _));
        Assert.Equal((2, 100L), (_book.Count, _book.Bytes));
        _book.Remove(1, 10, ended: false);
        _book.Remove(2, 10, ended: true);
        Assert.Equal((0, 0L, 2L, 1L, 1L), (_book.Count, _book.Bytes, _book.Freezes, _book.Thaws, _book.EndedFrozen));
        Assert.Equal(2, _book.FrozenTime.Total);
        Assert.Equal(-1, _book.Remove(1, 11, ended: false));
    }

    [Fact]
    public void Who_was_frozen_long_enough_goes_before_what_waits_and_is_no_victim_any_more()
    {
        var task = new FrozenTask(1, Batch, 0, 1_000, 20 * Second);
        Assert.True(_book.MayThaw(task, new ThawRoom(true, Batch), 1_000));
        Assert.False(_book.MayThaw(task, new ThawRoom(true, Batch + 1), 1_000));
        Assert.False(_book.MayThaw(task, new ThawRoom(true, Urgent), 1_000 + (40 * Second) - 1));
        Assert.True(_book.MayThaw(task, new ThawRoom(true, Urgent), 1_000 + (40 * Second)));
        Assert.False(_book.MayThaw(task, new ThawRoom(false, -1), 1_000 + (40 * Second)));
        Assert.Equal(PreemptionVerdict.FrozenLongEnough, _book.Choose(Urgent, [new PreemptionCandidate(1, Batch, 1, 0, 60 * Second)], out _));
    }

    [Fact]
    public void What_ageing_lifted_keeps_its_slot_for_a_while()
    {
        static PreemptionCandidate Lifted(long ran, long guard) => new(0, Idle, ran, 0, 0, guard, LiftedTo: Urgent);
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(Urgent, [Lifted(9, 10)], out _));
        Assert.Equal(0, Chosen(Urgent, Lifted(10, 10)));
        Assert.Equal(1, Chosen(Urgent, Lifted(9, 10), One(Batch, 1_000)));

        // A bound of hours guards no longer than a task may be frozen.
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(Urgent, [Lifted((60 * Second) - 1, long.MaxValue)], out _));
        Assert.Equal(0, Chosen(Urgent, Lifted(60 * Second, long.MaxValue)));
    }

    [Fact]
    public void What_ageing_lifted_is_guarded_against_nobody_above_where_it_was_lifted_to()
    {
        static PreemptionCandidate Lifted(byte to) => new(0, Batch, 1, 0, 0, 60 * Second, to);
        Assert.Equal(PreemptionVerdict.NoVictim, _book.Choose(Urgent, [Lifted(Urgent)], out _));
        Assert.Equal(0, Chosen(Urgent, Lifted(Urgent - 1)));

        // And it goes on at what it has waited for; before who was passed by it, it would go on at once.
        Assert.Equal(Urgent - 1, Lifted(Urgent - 1).GoesOnAt(Urgent));
        Assert.Equal(Batch, Lifted(Urgent).GoesOnAt(Urgent));
        Assert.Equal(Batch, Lifted(0).GoesOnAt(Urgent));
    }

    [Fact]
    public void They_go_on_by_age_when_due_then_by_level_then_first_frozen_first()
    {
        _book.Freeze(new FrozenTask(1, Idle, 0, 5_000, 0));
        _book.Freeze(new FrozenTask(2, Batch, 0, 2_000, 0));
        _book.Freeze(new FrozenTask(3, Batch, 0, 1_000, 0));
        _book.Freeze(new FrozenTask(4, Idle, 0, 4_000, 59 * Second));
        Assert.Equal([3, 2, 4, 1], Order(4_000));
        Assert.Equal([4, 3, 2, 1], Order(6_000));
    }

    private static PreemptionCandidate One(byte level, long ran, long bytes = 0) => new(0, level, ran, bytes, 0);

    private int Chosen(byte level, params PreemptionCandidate[] candidates)
    {
        Assert.Equal(PreemptionVerdict.Chosen, _book.Choose(level, candidates, out var index));
        return index;
    }

    private long[] Order(long now) => [.. _book.InThawOrder(now).ToArray().Select(static f => f.Key)];
}
