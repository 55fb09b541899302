using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Events;

/// <summary>Numbers without holes, readers that are told what they miss, and producers whom nobody keeps waiting.</summary>
[Trait("Promise", "COM2")]
public sealed class EventDeskTests
{
    private static readonly EventFilter s_all = new();
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Events_of_many_threads_have_numbers_without_holes_and_each_is_there_once()
    {
        using var desk = new EventDesk(1 << 14, null, TimeProvider.System);
        var begin = desk.Stream.Last;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(t => Task.Run(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                desk.Post($"t{t}", EventSeverity.Info, EventData.Number("count", i));
            }
        })));
        var told = await ReadAsync(desk.Stream, begin, 4_000);
        Assert.Equal(Enumerable.Range(1, 4_000).Select(i => begin + i), told.Select(static e => e.Sequence));
        for (var t = 0; t < 4; t++)
        {
            // In the order of who told them.
            Assert.Equal(Enumerable.Range(0, 1_000).Select(static i => Convert.ToHexString(EventData.Number("count", i))), told.Where(e => e.Type == $"t{t}").Select(static e => Convert.ToHexString(e.Data)));
        }

        Assert.Equal((0, 0), (desk.Lost, desk.Stream.Gaps));
    }

    [Fact]
    public async Task A_reader_that_came_too_late_is_told_from_and_to_and_goes_on()
    {
        using var desk = new EventDesk(16, null, TimeProvider.System);
        var begin = desk.Stream.Last;
        for (var i = 0; i < 40; i++)
        {
            desk.Post("a", EventSeverity.Info, EventData.Nothing);
        }

        await UntilAsync(desk.Stream, () => desk.Stream.Last == begin + 40);
        var page = desk.Stream.Read(begin + 4, 100, s_all);
        Assert.Equal((EventTypes.Gap, begin + 24, 17), (page.Events[0].Type, page.Events[0].Sequence, page.Events.Count));
        Assert.Equal(EventData.Gap(begin + 5, begin + 24, "these are not kept any more: the reader came too late, or the node keeps none over a restart"), page.Events[0].Data);
        Assert.Equal(begin + 25, page.Events[1].Sequence);
        Assert.Equal(begin + 40, page.Next);
        Assert.Empty(desk.Stream.Read(page.Next, 100, s_all).Events);

        // Who asks from the beginning misses nothing that it knows of, and neither does who wants to know of nothing before.
        Assert.Equal(16, desk.Stream.Read(0, 100, s_all).Events.Count);
        Assert.Equal((0, begin + 40), (desk.Stream.Read(EventStream.FromNow, 100, s_all).Events.Count, desk.Stream.Read(EventStream.FromNow, 100, s_all).Next));
        Assert.Equal(1, desk.Stream.Gaps);
    }

    [Fact]
    public async Task A_restart_without_a_store_is_a_gap_and_with_one_is_none()
    {
        var store = new ScriptedStore();
        long memory;
        using (var desk = new EventDesk(16, null, TimeProvider.System))
        {
            var begin = desk.Stream.Last;
            desk.Post("a", EventSeverity.Info, EventData.Nothing);
            await UntilAsync(desk.Stream, () => desk.Stream.Last > begin);
            memory = desk.Stream.Last;
        }

        using (var desk = new EventDesk(16, store, TimeProvider.System))
        {
            for (var i = 0; i < 100; i++)
            {
                desk.Post("a", EventSeverity.Info, EventData.Nothing);
            }

            await UntilAsync(desk.Stream, () => desk.Stream.Last == 100);
        }

        // Another start, at another number: whether it is above or below.
        using (var desk = new EventDesk(16, null, TimeProvider.System))
        {
            desk.Post("b", EventSeverity.Info, EventData.Nothing);
            await UntilAsync(desk.Stream, () => desk.Stream.Read(memory, 10, s_all).Events.Count == 2);
            Assert.Equal([EventTypes.Gap, "b"], desk.Stream.Read(memory, 10, s_all).Events.Select(static e => e.Type));
        }

        using var again = new EventDesk(16, store, TimeProvider.System);
        Assert.Equal(100, again.Stream.Last);
        Assert.Equal(Enumerable.Range(8, 93).Select(static i => (long)i), again.Stream.Read(7, 1_000, s_all).Events.Select(static e => e.Sequence));
        store.Forgotten = 50;
        Assert.Equal((EventTypes.Gap, 50L), again.Stream.Read(7, 1_000, s_all).Events.Select(static e => (e.Type, e.Sequence)).First());
        store.Unreadable = true;
        Assert.Throws<LedgerUnreadableException>(() => again.Stream.Read(7, 1_000, s_all));
    }

    [Theory]
    [InlineData(1_000, 4_000)] // begun again further up
    [InlineData(4_000, 1_000)] // further down: the clock, a replaced ledger or chance
    public async Task A_number_of_another_start_is_told_as_a_gap_and_all_that_is_kept_follows(long earlier, long later)
    {
        var since = earlier + 8;
        using var desk = new EventDesk(16, null, TimeProvider.System, later);
        var waiting = desk.Stream.WaitAsync(since, Timeout.InfiniteTimeSpan, CancellationToken.None);
        Assert.True(waiting.IsCompleted); // told at once, not with the next event
        var gap = Assert.Single(desk.Stream.Read(since, 10, s_all).Events);
        Assert.Equal((EventTypes.Gap, later, later), (gap.Type, gap.Sequence, desk.Stream.Read(since, 10, s_all).Next));
        desk.Post("b", EventSeverity.Info, EventData.Nothing);
        await UntilAsync(desk.Stream, () => desk.Stream.Last == later + 1);
        var page = desk.Stream.Read(since, 10, s_all);
        Assert.Equal([(EventTypes.Gap, later), ("b", later + 1)], page.Events.Select(static e => (e.Type, e.Sequence)));
        Assert.Equal(later + 1, page.Next);
        Assert.Empty(desk.Stream.Read(page.Next, 10, s_all).Events);
        Assert.Equal(3, desk.Stream.Gaps);
    }

    [Fact]
    public void Starts_without_a_store_begin_at_numbers_that_lie_far_apart_under_the_same_clock()
    {
        var clock = new ManualTime(); // stands still: what a clock that is set back to the second comes to
        var begins = Enumerable.Range(0, 50).Select(_ => new EventStream(16, null, clock).Last).Order().ToList();
        Assert.All(begins, static b => Assert.InRange(b, 1_000_000_000_000_000, (1L << 53) - 1)); // what JavaScript counts exactly
        Assert.All(begins.Zip(begins.Skip(1)), static pair => Assert.True(pair.Second - pair.First > 1_000_000, $"{pair}"));
    }

    [Fact]
    public async Task What_is_in_a_store_that_cannot_be_read_at_the_start_moves_no_reader()
    {
        var store = new ScriptedStore { EventProblem = "the disk fails", Unreadable = true };
        using var desk = new EventDesk(16, store, TimeProvider.System);
        Assert.Equal((0, 70, "the disk fails"), desk.Stream.Read(70, 10, s_all) is var early ? (early.Events.Count, early.Next, early.Stalled) : default);
        var waiting = desk.Stream.WaitAsync(70, Timeout.InfiniteTimeSpan, CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        (store.Unreadable, store.EventProblem) = (false, null);
        desk.Post("b", EventSeverity.Info, EventData.Nothing);
        await waiting.WaitAsync(s_patience);
    }

    [Fact]
    public async Task What_nothing_stores_is_bounded_counted_and_told_when_it_stores_again()
    {
        var store = new ScriptedStore { EventProblem = "the disk is full" };
        store.Hold();
        using var desk = new EventDesk(1 << 17, store, TimeProvider.System);
        var posted = 0;
        while (desk.Lost == 0)
        {
            desk.Post("a", EventSeverity.Info, EventData.Nothing);
            posted++;
        }

        Assert.Equal("the disk is full", desk.Stream.Read(0, 10, s_all).Stalled);
        Assert.True(SpinWait.SpinUntil(() => store.Waiting > 0, s_patience));
        Assert.InRange(store.Waiting, 1, (1 << 16) + 1_000);
        store.EventProblem = null;
        store.Store();
        desk.Post("after", EventSeverity.Info, EventData.Nothing);

        // "after" may be among the lost, if the inbox is still full: what was told and what is told as lost are all that was posted.
        var told = new List<NodeEvent>();
        await UntilAsync(desk.Stream, () =>
        {
            for (var page = desk.Stream.Read(told.Count, 1_000, s_all); page.Events.Count > 0; page = desk.Stream.Read(told.Count, 1_000, s_all))
            {
                told.AddRange(page.Events);
            }

            return told.Sum(static e => e.Type == EventTypes.Lost ? CountOf(e) : 1) == posted + 1;
        });
        Assert.Contains(told, static e => e.Type == EventTypes.Lost);
        Assert.Equal(Enumerable.Range(1, told.Count).Select(static i => (long)i), told.Select(static e => e.Sequence));
        Assert.InRange(told.Count(static e => e.Type == "a"), 1, posted - 1);
    }

    [Fact]
    public async Task Ends_that_come_too_fast_are_counted_and_told_in_the_next_second()
    {
        var time = new ManualTime();
        using var desk = new EventDesk(1 << 14, null, time) { MostEndsPerSecond = 10 };
        var begin = desk.Stream.Last;
        for (var i = 0; i < 25; i++)
        {
            desk.OnEnded(new EndedTask(new TaskId(0, 5), 3, TaskKind.Call, 32, TaskState.Failed, new TaskCause(CauseType.Exit, i)));
        }

        // Once this is told, all before it were judged by this second's clock.
        desk.Post("all", EventSeverity.Info, EventData.Nothing);
        await UntilAsync(desk.Stream, () => desk.Stream.Last == begin + 11);
        time.Advance(TimeSpan.FromSeconds(1));
        desk.Post("kick", EventSeverity.Info, EventData.Nothing);
        var told = await ReadAsync(desk.Stream, begin + 11, 2);
        Assert.Equal(["kick", EventTypes.TasksUntold], told.Select(static e => e.Type));
        Assert.Equal(EventData.Number("count", 15), told[1].Data);
    }

    [Fact]
    public async Task A_reader_that_waits_is_told_at_once_and_one_that_nobody_tells_comes_back()
    {
        using var desk = new EventDesk(16, null, TimeProvider.System);
        var waiting = desk.Stream.WaitAsync(desk.Stream.Last, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.False(waiting.IsCompleted);
        desk.Post("a", EventSeverity.Info, EventData.Nothing);
        await waiting.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await desk.Stream.WaitAsync(desk.Stream.Last, TimeSpan.FromMilliseconds(1), TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("wayang", true)]
    [InlineData("wayang.task", true)]
    [InlineData("wayang.task.", true)]
    [InlineData("wayang.task.failed", true)]
    [InlineData("wayang.tas", false)]
    [InlineData("wayang.node", false)]
    [InlineData("wayang.task.failed.more", false)]
    public void Types_are_asked_for_by_whole_names(string type, bool told) =>
        Assert.Equal(told, new EventFilter { Type = type }.Admits(new NodeEvent(1, 0, "wayang.task.failed", EventSeverity.Info, 3, default, [])));

    [Fact]
    public void Tenant_task_and_severity_are_asked_for()
    {
        var one = new NodeEvent(1, 0, "a", EventSeverity.Warning, 3, new TaskId(0, 9), []);
        Assert.True(new EventFilter { Tenant = 3, Task = new TaskId(0, 9), Severity = EventSeverity.Warning }.Admits(one));
        Assert.False(new EventFilter { Tenant = 4 }.Admits(one));
        Assert.False(new EventFilter { Task = new TaskId(0, 8) }.Admits(one));
        Assert.False(new EventFilter { Severity = EventSeverity.Error }.Admits(one));
        Assert.False(new EventFilter { Tenant = 3 }.Admits(one with { Tenant = NodeEvent.OfNode }));
    }

    private static long CountOf(NodeEvent lost)
    {
        var reader = new MessagePackReader(lost.Data);
        var count = 0L;
        Assert.True(reader.TryReadMapHeader(out _) && reader.TryReadString(out _) && reader.TryReadInt64(out count), "a map with a count");
        return count;
    }

    private static async Task<IReadOnlyList<NodeEvent>> ReadAsync(EventStream stream, long since, int count)
    {
        var told = new List<NodeEvent>();
        while (told.Count < count)
        {
            await stream.WaitAsync(since, Timeout.InfiniteTimeSpan, CancellationToken.None).WaitAsync(s_patience);
            var page = stream.Read(since, 1_000, s_all);
            since = page.Next;
            told.AddRange(page.Events);
        }

        return told;
    }

    /// <summary>What comes true as the stream grows.</summary>
    private static async Task UntilAsync(EventStream stream, Func<bool> condition)
    {
        for (var seen = stream.Last; !condition(); seen = stream.Last)
        {
            await stream.WaitAsync(seen, Timeout.InfiniteTimeSpan, CancellationToken.None).WaitAsync(s_patience);
        }
    }
}
