using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What durable tasks save is found after a restart, ordered or not, and begins their next attempts.</summary>
[Trait("Promise", "TR4")]
public sealed class DurableStateTests : CheckpointFixture
{
    private const long LongSum = 2_000_000_000;

    private static readonly RetryTerms s_retry = new(5, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);

    [Fact]
    public async Task After_a_kill_the_next_attempt_begins_from_what_was_stored()
    {
        TaskId id;
        using (var ledger = Open())
        using (var node = new TestNode(ledger: ledger))
        {
            id = await SubmitAsync(node, "save_and_wait", 500, new TaskTerms { Durable = true, Retry = s_retry });
            await TestNode.UntilAsync(
                () => ledger.ReadLive().Single() is { State: TaskState.Running, Saved: { } saved } && BitConverter.ToInt64(saved.State) == 500, "the last state is stored");
            ledger.Dispose(); // first: what the node still does is not stored, as if it had been killed
            node.Stop();
        }

        using var again = Open();
        var before = again.ReadLive().Single().Saved!;
        Assert.InRange(before.Times, 1, 501);
        using var next = new TestNode(ledger: again, bare: true);
        var end = new Ending { Id = id };
        Assert.Null(next.Tasks.Wait(id, 0, end, 0));
        Assert.Null(next.Tasks.Get(id, 0, out var waiting));
        Assert.Equal((8, before.Times), (waiting!.Life!.Saved!.Bytes, waiting.Life.Saved.Times));
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await end.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1, 500), (end.State, end.Times, BitConverter.ToInt64(end.Output)));
        Assert.Equal(1, next.Statistic("begun_from_state"));
        Assert.Empty(again.ReadLive());
        await TestNode.UntilAsync(() => next.Statistic("states_bytes") == 0, "no state is kept");
        var told = again.ReadEvents(0, 1_000);
        Assert.Contains(told, static e => e.Type == "wayang.task.saved");
        Assert.Contains(told, static e => e.Type == "wayang.task.started" && Encoding.UTF8.GetString(e.Data).Contains("saved_bytes", StringComparison.Ordinal));
    }

    /// <summary>Without a retry: an ordered end asks for the state, and the task waits for the next start.</summary>
    [Fact]
    public async Task Before_an_ordered_end_calls_yield_and_go_on_after_the_next_start()
    {
        TaskId id;
        using (var ledger = Open())
        using (var node = new TestNode(ledger: ledger))
        {
            id = await SubmitAsync(node, "sum", LongSum, new TaskTerms { Durable = true, Migration = TaskMigration.Cooperative });
            await node.RunsAsync(new Ending { Id = id });
            await node.Runtime.YieldDurableAsync(TestNode.Patience);
            Assert.Equal(TaskState.Queued, node.StateOf(new Ending { Id = id }));
            node.Stop();
        }

        using var again = Open();
        var live = again.ReadLive().Single();
        Assert.Equal((TaskState.Queued, 2, 16), (live.State, live.Attempt, live.Saved!.State.Length));
        using var next = new TestNode(ledger: again, bare: true);
        var end = new Ending { Id = id };
        Assert.Null(next.Tasks.Wait(id, 0, end, 0));
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await end.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1, LongSum * (LongSum - 1) / 2), (end.State, end.Times, BitConverter.ToInt64(end.Output)));
        Assert.Equal(1, next.Statistic("begun_from_state"));
    }

    /// <summary>However often it saves, and however long the ledger takes.</summary>
    [Fact]
    public async Task At_most_two_states_of_a_task_wait_for_the_ledger_and_the_last_is_among_them()
    {
        var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        var receipt = new Receipt();
        var call = new Ending();
        var submission = new TaskSubmission
        {
            Target = node.Resolve("save_and_wait"), Data = "3000"u8, Level = 32, Receipt = receipt, Terms = new TaskTerms { Durable = true },
        };
        Assert.Null(node.Tasks.Submit(submission, null, 0, out _));
        (await ledger.TakeAsync<LedgerSubmission>()).OnStored();
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
        call.Id = receipt.Id;
        var first = await ledger.TakeAsync<LedgerState>(); // the start was before it
        var taken = first.Read();
        await TestNode.UntilAsync(() => node.Tasks.Get(call.Id, 0, out var now) is null && now!.Progress is not null, "it has saved all");
        var waiting = ledger.Waiting.OfType<LedgerState>().ToList();
        Assert.True(waiting.Count == 1 || (waiting.Count == 0 && BitConverter.ToInt64(taken.State) == 3_000), $"{waiting.Count}");
        Assert.Equal(3_000, BitConverter.ToInt64((waiting.Count == 0 ? taken : waiting[0].Read()).State));
        Assert.Equal(3_001, node.Statistic("states_saved"));
        first.OnStored();
        foreach (var state in waiting)
        {
            state.OnStored();
        }

        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        (await ledger.TakeAsync<LedgerEnd>()).OnStored();
        await TestNode.UntilAsync(() => node.Statistic("states_bytes") == 0, "no state is kept");
    }

    private static async Task<TaskId> SubmitAsync(TestNode node, string function, long number, TaskTerms terms)
    {
        var receipt = new Receipt();
        var submission = new TaskSubmission
        {
            Target = node.Resolve(function), Data = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture)), Level = 32, Receipt = receipt, Terms = terms,
        };
        Assert.Null(node.Tasks.Submit(submission, null, 0, out _));
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
        return receipt.Id;
    }

    private SqliteLedger Open() =>
        SqliteLedger.Open(new LedgerOptions(Path.Combine(Directory.CreateDirectory(Path.Combine(CheckpointDirectory, "ledger")).FullName, "ledger.db")), TimeProvider.System);
}
