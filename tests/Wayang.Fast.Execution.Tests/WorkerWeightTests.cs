using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A worker weighs as the highest class among its calls: raised at once, lowered when a whole tick had none.</summary>
[Trait("Promise", "RA2")]
public sealed class WorkerWeightTests
{
    private const byte Idle = 4;
    private const byte Batch = 16;
    private const byte Normal = 32;
    private const byte Urgent = 48;
    private const byte System = 60;

    private static readonly InFlightEntry[] s_none = new InFlightEntry[4];

    [Theory]
    [InlineData(Idle, TaskClass.Idle)]
    [InlineData(Batch, TaskClass.Batch)]
    [InlineData(Urgent, TaskClass.Urgent)]
    [InlineData(System, TaskClass.Urgent)]
    public void The_first_call_decides(byte level, TaskClass expected)
    {
        var weight = new WorkerWeight(TaskClass.Normal);
        Assert.Equal(TaskClass.Normal, weight.Told);
        Assert.False(weight.Covers(level));
        Assert.Equal(expected, weight.Note(level));
        Assert.True(weight.Covers(level));
        Assert.True(weight.Tell(expected));
        Assert.False(weight.Tell(expected));
    }

    [Theory]
    [InlineData(Idle, TaskClass.Idle)]
    [InlineData(Batch, null)]
    [InlineData(Normal, TaskClass.Normal)]
    public void One_that_was_started_for_batch_weighs_so_before_its_first_call(byte level, TaskClass? told)
    {
        var weight = new WorkerWeight(TaskClass.Batch);
        Assert.Equal(TaskClass.Batch, weight.Told);
        Assert.Equal(told, weight.Note(level));
    }

    [Fact]
    public void A_higher_call_raises_at_once_and_a_lower_one_waits_for_the_tick()
    {
        var weight = new WorkerWeight(TaskClass.Normal);
        Assert.Null(weight.Note(Normal));
        Assert.Equal(TaskClass.Urgent, weight.Note(Urgent));
        weight.Tell(TaskClass.Urgent);
        Assert.True(weight.Covers(Batch));
        Assert.Equal(TaskClass.Urgent, weight.OnTick(s_none)); // it had one since the last
        Assert.False(weight.Covers(Batch));
        Assert.Null(weight.Note(Batch));
        Assert.Equal(TaskClass.Batch, weight.OnTick(s_none));
        weight.Tell(TaskClass.Batch);
        Assert.Equal(TaskClass.Normal, weight.Note(Normal));
    }

    [Fact]
    public void A_long_call_keeps_what_it_weighs()
    {
        var weight = new WorkerWeight(TaskClass.Normal);
        weight.Note(Urgent);
        weight.Tell(TaskClass.Urgent);
        InFlightEntry[] flying = [default, new InFlightEntry { Ticket = 257, Level = Urgent }];
        for (var tick = 0; tick < 3; tick++)
        {
            Assert.Equal(TaskClass.Urgent, weight.OnTick(flying));
            Assert.True(weight.Covers(Batch));
        }

        Assert.Equal(TaskClass.Urgent, weight.OnTick(s_none));
        Assert.Null(weight.OnTick(s_none)); // nothing ran
        Assert.Equal(TaskClass.Batch, weight.Note(Batch)); // and so the next one decides
    }
}
