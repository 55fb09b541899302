using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>What was stored is there after the next start, in order, each task with one end.</summary>
[Trait("Promise", "TR4")]
public sealed class SqliteLedgerTests : LedgerFixture
{
    [Fact]
    public async Task What_was_stored_is_found_after_the_next_start()
    {
        var (queued, running, ended) = (NextId(), NextId(), NextId());
        using (var ledger = Open())
        {
            await Within(Submit(ledger, queued, "first").Receipt);
            Submit(ledger, running, "second");
            ledger.Post(new LedgerStart(running, 2));
            Submit(ledger, ended, "third");
            Assert.Null(await Within(Finish(ledger, ended, TaskState.Failed, "what it said").Receipt));
        }

        using var again = Open();
        var live = again.ReadLive();
        Assert.Equal([queued, running], live.Select(static t => t.Id));
        Assert.Equal([TaskState.Queued, TaskState.Running], live.Select(static t => t.State));
        Assert.Equal([1, 2], live.Select(static t => t.Attempt));
        Assert.Equal("first", Encoding.UTF8.GetString(live[0].Spec));
        var found = again.Find(ended)!;
        Assert.Equal((TaskState.Failed, 3), (found.State, found.Tenant));
        Assert.Equal("what it said", Encoding.UTF8.GetString(found.Streams[(int)OutputStream.Output]!));
        Assert.Null(again.Find(NextId()));
    }

    [Fact]
    public async Task A_checkpoint_is_found_until_its_attempt_goes_on_or_another_begins()
    {
        using var ledger = Open();
        TaskId[] ids = [NextId(), NextId(), NextId(), NextId()];
        foreach (var id in ids)
        {
            Submit(ledger, id);
            ledger.Post(new LedgerStart(id, 1));
            ledger.Post(new LedgerCheckpoint(id, "file"));
        }

        ledger.Post(new LedgerStart(ids[1], 1));
        ledger.Post(new LedgerRetry(ids[2], 2));
        await Within(Finish(ledger, ids[3]).Receipt);
        Assert.Equal(
            [(TaskState.Queued, 1, "file"), (TaskState.Running, 1, null), (TaskState.Queued, 2, null), (TaskState.Succeeded, 1, (string?)null)],
            ids.Select(id => ledger.Find(id)!).Select(static t => (t.State, t.Attempt, t.Checkpoint)));
        ledger.Post(new LedgerCheckpoint(ids[3], "late"));
        await Within(Submit(ledger, NextId()).Receipt);
        Assert.Null(ledger.Find(ids[3])!.Checkpoint);
    }

    [Fact]
    public async Task The_state_that_was_saved_last_is_found_until_the_end()
    {
        var (saves, ended, none) = (NextId(), NextId(), NextId());
        using (var ledger = Open())
        {
            foreach (var id in (ReadOnlySpan<TaskId>)[saves, ended, none])
            {
                Submit(ledger, id);
            }

            ledger.Post(new State(saves, new LedgerSaved([1, 2, 3], 5, 1)));
            ledger.Post(new State(saves, new LedgerSaved(new byte[100_000], 7, 2)));
            ledger.Post(new LedgerRetry(saves, 2));
            ledger.Post(new State(ended, new LedgerSaved([9], 5, 1)));
            await Within(Finish(ledger, ended).Receipt);
            ledger.Post(new State(ended, new LedgerSaved([8], 6, 2))); // too late
            await Within(Submit(ledger, NextId()).Receipt);
        }

        using var again = Open();
        var saved = again.Find(saves)!.Saved!;
        Assert.Equal((100_000, 7, 2), (saved.State.Length, saved.AtUnixMs, saved.Times));
        Assert.Null(again.Find(ended)!.Saved);
        Assert.Null(again.Find(none)!.Saved);
        Assert.Equal([100_000, null, null], again.ReadLive().Select(static t => t.Saved?.State.Length));
    }

    private sealed class State(TaskId id, LedgerSaved saved) : LedgerState(id)
    {
        public override LedgerSaved Read() => saved;
    }

    [Fact]
    public async Task A_second_end_changes_nothing()
    {
        using var ledger = Open();
        var id = NextId();
        Submit(ledger, id);
        Finish(ledger, id, TaskState.Succeeded, "one");
        await Within(Finish(ledger, id, TaskState.Failed, "two").Receipt);
        Assert.Equal(TaskState.Succeeded, ledger.Find(id)!.State);
        Assert.Equal("one"u8.ToArray(), ledger.Find(id)!.Streams[0]);
    }

    [Fact]
    public async Task What_comes_during_a_commit_shares_the_next()
    {
        using var gate = new ManualResetEventSlim();
        using var taken = new ManualResetEventSlim();
        var first = true;
        using var ledger = Open(new LedgerOptions(FilePath)
        {
            OnStep = step =>
            {
                if (step == CommitStep.Begun && first)
                {
                    first = false;
                    taken.Set();
                    gate.Wait();
                }
            },
        });
        Submit(ledger, NextId());
        Assert.True(taken.Wait(TimeSpan.FromSeconds(30)));
        var before = ledger.Status.Commits;
        var rest = Enumerable.Range(0, 500).Select(_ => Submit(ledger, NextId()).Receipt).ToArray();
        gate.Set();
        await Task.WhenAll(rest).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(before + 2, ledger.Status.Commits);
        Assert.Equal(501, ledger.ReadLive().Count);
    }

    [Fact]
    public async Task Keys_are_found_with_their_tasks()
    {
        using var ledger = Open();
        var id = NextId();
        await Within(Submit(ledger, id, key: "order-7").Receipt);
        var known = Assert.Single(ledger.ReadKeys(DateTimeOffset.UtcNow.AddMinutes(-1)));
        Assert.Equal((id, 3, new IdempotencyTerms("order-7", new(0, 42))), (known.Id, known.Tenant, known.Terms));
        Assert.Empty(ledger.ReadKeys(DateTimeOffset.UtcNow.AddMinutes(1)));
    }

    [Fact]
    public async Task An_image_is_read_once_and_goes_with_the_last_task_that_needs_it()
    {
        var read = 0;
        var image = new LedgerImage("abc", () => [(byte)++read]);
        using var ledger = Open(new LedgerOptions(FilePath) { Pulse = TimeSpan.FromMilliseconds(20), MaxEnded = 0 });
        var (first, second) = (NextId(), NextId());
        await Within(Submit(ledger, first, image: image).Receipt);
        await Within(Submit(ledger, second, image: image).Receipt);
        Assert.Equal([1], ledger.ReadImage("abc"));
        Assert.Equal(1, read);
        Finish(ledger, first);
        await Within(Finish(ledger, second).Receipt);
        ledger.Dispose(); // the next start sweeps at once
        using var again = Open(new LedgerOptions(FilePath) { Pulse = TimeSpan.FromMilliseconds(20), MaxEnded = 0 });
        Assert.True(SpinWait.SpinUntil(() => again.Find(first) is null && again.ReadImage("abc") is null, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task The_oldest_ends_are_forgotten_and_their_space_comes_back()
    {
        var day = DateTimeOffset.UtcNow.AddDays(-8).ToUnixTimeMilliseconds();
        TaskId last = default;
        var text = new string('x', 20_000);
        using (var ledger = Open(new LedgerOptions(FilePath) { Retention = TimeSpan.FromDays(30) }))
        {
            for (var i = 0; i < 100; i++)
            {
                last = NextId();
                Submit(ledger, last);
                var end = Finish(ledger, last, output: text, endedUnixMs: i < 99 ? day : null);
                await Within(end.Receipt);
            }
        }

        var before = new FileInfo(FilePath).Length;
        using (var again = Open())
        {
            Assert.True(SpinWait.SpinUntil(() => again.Find(last) is not null && CountOf(again) == 1, TimeSpan.FromSeconds(30)));
        }

        Assert.True(new FileInfo(FilePath).Length < before / 4, $"{new FileInfo(FilePath).Length} of {before}");

        static int CountOf(SqliteLedger ledger)
        {
            using var connection = LedgerDatabase.OpenReader(ledger.Path);
            return LedgerSchema.ReadNumber(connection, "SELECT count(*) FROM tasks");
        }
    }
}
