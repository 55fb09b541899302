using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>Events are stored with what they tell of, or not at all; their numbers have no holes, over restarts, kills and what is forgotten.</summary>
[Trait("Promise", "COM2")]
public sealed class EventTests : LedgerFixture
{
    [Fact]
    public async Task What_is_stored_is_told_in_order_and_read_after_a_restart()
    {
        var told = new List<NodeEvent>();
        var id = NextId();
        using (var ledger = Open())
        {
            ledger.EventsStored = told.AddRange;
            ledger.Post(Submitted(id));
            ledger.Post(new LedgerStart(id, 1) { Event = Event("started", id) });
            await StoreAsync(ledger, Event("node"), Event("node"));
            await Within(Finish(ledger, id).Receipt);

            // An end of what has ended changes nothing, and is not told.
            ledger.Post(new LedgerStart(id, 2) { Event = Event("started", id) });
            await StoreAsync(ledger, Event("last"));
        }

        Assert.Equal(["submitted", "started", "node", "node", "last"], told.Select(static e => e.Type));
        AssertWhole(told);
        using var again = Open();
        Assert.Equal(told[^1].Sequence, again.LastEvent());
        Assert.Equal(told.Select(static e => (e.Sequence, e.Type, e.Task, e.Tenant, e.UnixMs)), again.ReadEvents(0, 100).Select(static e => (e.Sequence, e.Type, e.Task, e.Tenant, e.UnixMs)));
        Assert.Equal(told[3].Sequence, again.ReadEvents(told[2].Sequence, 1)[0].Sequence);
        var next = new List<NodeEvent>();
        again.EventsStored = next.AddRange;
        await StoreAsync(again, Event("after"));
        AssertWhole([.. told, .. next]);
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task A_kill_at_each_step_leaves_no_hole_and_no_end_without_its_event(int at)
    {
        for (var commit = 1; commit <= 5; commit++)
        {
            var home = System.IO.Directory.CreateDirectory(Path.Combine(Directory, $"{at}-{commit}")).FullName;
            var copy = System.IO.Directory.CreateDirectory(Path.Combine(home, "copy")).FullName;
            using var killed = new ManualResetEventSlim();
            var hits = 0;
            var told = new List<NodeEvent>();
            var toldAtKill = 0;
            var options = new LedgerOptions(Path.Combine(home, "ledger.db"))
            {
                OnStep = step =>
                {
                    if ((int)step == at && ++hits == commit)
                    {
                        foreach (var file in new[] { "ledger.db", "ledger.db-wal" })
                        {
                            File.Copy(Path.Combine(home, file), Path.Combine(copy, file));
                        }

                        toldAtKill = told.Count;
                        killed.Set();
                    }
                },
            };
            using (var ledger = Open(options))
            {
                ledger.EventsStored = told.AddRange;
                while (!killed.IsSet)
                {
                    var id = NextId();
                    ledger.Post(Submitted(id));
                    ledger.Post(Ended(id));
                    ledger.PostEvents([Event("node")], static () => { });
                    Thread.Yield();
                }
            }

            using var after = Open(new LedgerOptions(Path.Combine(copy, "ledger.db")));
            var kept = ReadAll(after);
            AssertWhole(kept);
            Assert.True(kept.Count >= toldAtKill, $"{toldAtKill} events were told and {kept.Count} are kept ({(CommitStep)at}, commit {commit})");
            Assert.Equal(told.Take(toldAtKill).Select(static e => (e.Sequence, e.Type)), kept.Take(toldAtKill).Select(static e => (e.Sequence, e.Type)));
            foreach (var submitted in kept.Where(static e => e.Type == "submitted"))
            {
                var ends = kept.Count(e => e.Type == "ended" && e.Task == submitted.Task);
                Assert.Equal(after.Find(submitted.Task)!.State == TaskState.Succeeded ? 1 : 0, ends);
            }

            var begin = kept.Count == 0 ? 0 : kept[^1].Sequence;
            var more = new List<NodeEvent>();
            after.EventsStored = more.AddRange;
            await StoreAsync(after, Event("after"));
            Assert.True(kept.Count == 0 || more[0].Sequence == begin + 1);
        }
    }

    [Fact]
    public async Task The_oldest_alone_are_forgotten_and_numbers_go_on()
    {
        var old = DateTimeOffset.UtcNow.AddDays(-8).ToUnixTimeMilliseconds();
        using (var ledger = Open())
        {
            // A clock that jumped: an old one between new ones goes with those before it, or stays.
            await StoreAsync(ledger, Event("old") with { UnixMs = old }, Event("old") with { UnixMs = old }, Event("new"), Event("kept") with { UnixMs = old }, Event("new"));
            Assert.True(SpinWait.SpinUntil(() => ledger.ReadEvents(0, 100).Count == 3, TimeSpan.FromSeconds(30)));
            AssertWhole(ledger.ReadEvents(0, 100));
        }

        long last;
        using (var few = Open(new LedgerOptions(FilePath) { MaxEvents = 1, Pulse = TimeSpan.FromMilliseconds(20) }))
        {
            Assert.True(SpinWait.SpinUntil(() => few.ReadEvents(0, 100).Count == 1, TimeSpan.FromSeconds(30)));
            last = few.LastEvent()!.Value;
        }

        using (var none = Open(new LedgerOptions(FilePath) { EventRetention = TimeSpan.Zero, Pulse = TimeSpan.FromMilliseconds(20) }))
        {
            Assert.True(SpinWait.SpinUntil(() => none.ReadEvents(0, 100).Count == 0, TimeSpan.FromSeconds(30)));
        }

        using var again = Open();
        Assert.Equal(last, again.LastEvent());
        await StoreAsync(again, Event("after"));
        Assert.Equal(last + 1, again.ReadEvents(0, 10)[0].Sequence);
    }

    [Fact]
    public void Numbers_of_another_file_never_come_again()
    {
        using var ledger = Open();
        Assert.InRange(ledger.LastEvent()!.Value, DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeMilliseconds() * 1000, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1000);
    }

    public static TheoryData<int> Steps => [.. Enum.GetValues<CommitStep>().Select(static s => (int)s)];

    private static NodeEvent Event(string type, TaskId task = default) =>
        new(0, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), type, EventSeverity.Warning, task == default ? NodeEvent.OfNode : 3, task, [0x80]);

    private static Quiet Submitted(TaskId id) => new(id)
    {
        Tenant = 3, SubmittedUnixMs = id.UnixMilliseconds, Spec = [1], Event = Event("submitted", id),
    };

    private static LedgerEnd Ended(TaskId id) => new(id)
    {
        State = TaskState.Succeeded, EndedUnixMs = id.UnixMilliseconds, Facts = [], Streams = [null, null, null, null], Event = Event("ended", id),
    };

    private static async Task StoreAsync(SqliteLedger ledger, params NodeEvent[] events)
    {
        var stored = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ledger.PostEvents(events, stored.SetResult);
        await stored.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private static List<NodeEvent> ReadAll(SqliteLedger ledger)
    {
        var all = new List<NodeEvent>();
        while (ledger.ReadEvents(all.Count == 0 ? 0 : all[^1].Sequence, 1_000) is { Count: > 0 } page)
        {
            all.AddRange(page);
        }

        return all;
    }

    private static void AssertWhole(IReadOnlyList<NodeEvent> events) =>
        Assert.All(events.Skip(1).Zip(events), static pair => Assert.Equal(pair.Second.Sequence + 1, pair.First.Sequence));

    private sealed class Quiet(TaskId id) : LedgerSubmission(id)
    {
    }
}
