using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A restart forgets no durable task: what waited waits again, what ran is lost or tried again, what ended is told from the ledger.</summary>
[Trait("Promise", "TR4")]
public sealed class DurableRestartTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-durable-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task An_ended_task_is_told_from_the_ledger()
    {
        TaskId id;
        using (var ledger = Open())
        using (var node = new TestNode(ledger: ledger))
        {
            id = Submit(node, "echo out; echo err >&2; exit 3");
            await WaitAsync(node, id);
            Close(node, ledger);
        }

        using var again = Open();
        using var next = new TestNode(ledger: again);
        Assert.Null(next.Tasks.Get(id, 0, out var snapshot));
        Assert.Equal((TaskState.Failed, 3), (snapshot!.State, snapshot.Cause.Value));
        Assert.True(snapshot.Life!.Durable);
        var ending = await WaitAsync(next, id);
        Assert.Equal((TaskState.Failed, "out\n", 1), (ending.State, ending.Stdout, ending.Times));
        var piece = new byte[100];
        Assert.Null(next.Tasks.ReadOutput(id, 0, OutputStream.Stderr, 1, piece, out var chunk));
        Assert.Equal(("rr\n", 4L, true), (Encoding.UTF8.GetString(piece.AsSpan(0, chunk.Count)), chunk.Total, chunk.Ended));

        // Another tenant's, and none at all, are refused alike.
        Assert.NotNull(next.Tasks.Get(id, 1, out _));
        Assert.Equal(TaskState.Rejected, (await WaitAsync(next, new TaskId(0, 77))).State);
    }

    [Fact]
    public async Task What_waited_waits_again_under_its_id_and_what_ran_is_lost_or_tried_again()
    {
        TaskId running, retried;
        var waiting = new List<TaskId>();
        var one = new RuntimeOptions { MaxConcurrentTasks = 2 };
        using (var ledger = Open())
        using (var node = new TestNode(one, ledger))
        {
            running = Submit(node, "sleep 600");
            retried = Submit(node, $"if test -e {_directory}/x; then echo second; else sleep 600; fi; sleep 0.1", Terms() with
            {
                Retry = new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable),
            });
            await TestNode.UntilAsync(() => StateOf(node, running) == TaskState.Running && StateOf(node, retried) == TaskState.Running);
            for (var i = 0; i < 5; i++)
            {
                waiting.Add(Submit(node, $"echo number {i}"));
            }

            await TestNode.UntilAsync(() => ledger.ReadLive().Count(static t => t.State == TaskState.Running) == 2);
            Abandon(node, ledger);
        }

        using var again = Open();
        using var next = new TestNode(one, again);
        Assert.Equal(TaskState.Queued, StateOf(next, waiting[0])); // known before anything can run
        var lost = await WaitAsync(next, running);
        Assert.Equal((TaskState.Failed, CauseType.NodeLost), (lost.State, lost.Cause.Type));
        var resumed = next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken);
        for (var i = 0; i < waiting.Count; i++)
        {
            var end = await WaitAsync(next, waiting[i]);
            Assert.Equal((TaskState.Succeeded, $"number {i}\n", 1), (end.State, end.Stdout, end.Times));
        }

        await resumed.WaitAsync(TestNode.Patience);
        await TestNode.UntilAsync(() => StateOf(next, retried) == TaskState.Running);
        Assert.Null(next.Tasks.Get(retried, 0, out var snapshot));
        Assert.Equal(2, snapshot!.Life!.Attempt);
        Assert.Equal(CauseType.NodeLost, Assert.Single(snapshot.Life.Attempts).Cause.Type);
        Assert.Null(next.Tasks.Cancel(retried, 0));
        Assert.Equal(TaskState.Cancelled, (await WaitAsync(next, retried)).State);
        Assert.Empty(again.ReadLive());
    }

    [Fact]
    public async Task A_call_finds_its_image_in_the_ledger()
    {
        TaskId id;
        using (var ledger = Open())
        using (var node = new TestNode(new RuntimeOptions { MaxConcurrentTasks = 1 }, ledger))
        {
            var blocker = Submit(node, "sleep 600");
            await TestNode.UntilAsync(() => StateOf(node, blocker) == TaskState.Running);
            var receipt = new Receipt();
            var submission = new TaskSubmission { Target = node.Resolve("echo"), Data = "kept"u8, Level = 32, Terms = Terms(), Receipt = receipt };
            Assert.Null(node.Tasks.Submit(submission, null, 0, out _));
            Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
            id = receipt.Id;
            Abandon(node, ledger);
        }

        using var again = Open();
        using var next = new TestNode(ledger: again, bare: true);
        var resumed = next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken);
        var end = await WaitAsync(next, id);
        Assert.Equal((TaskState.Succeeded, "kept"), (end.State, Encoding.UTF8.GetString(end.Output)));
        await resumed.WaitAsync(TestNode.Patience);
    }

    [Fact]
    public async Task A_key_stands_for_its_task_after_a_restart()
    {
        var terms = Terms() with { Idempotency = new IdempotencyTerms("order", new(0, 9)) };
        TaskId id;
        using (var ledger = Open())
        using (var node = new TestNode(ledger: ledger))
        {
            id = Submit(node, "echo once", terms);
            await WaitAsync(node, id);
            Close(node, ledger);
        }

        using var again = Open();
        using var next = new TestNode(ledger: again);
        Assert.Equal(id, Submit(next, "echo once", terms));
        Assert.Equal("once\n", (await WaitAsync(next, id)).Stdout);
    }

    [Fact]
    public async Task A_cancel_a_deadline_and_a_group_hold_after_a_restart()
    {
        TaskId cancelled, late;
        using (var ledger = Open())
        using (var node = new TestNode(new RuntimeOptions { MaxConcurrentTasks = 1 }, ledger))
        {
            var blocker = Submit(node, "sleep 600");
            await TestNode.UntilAsync(() => StateOf(node, blocker) == TaskState.Running);
            cancelled = Submit(node, "echo never", Terms() with { Group = "g" });
            late = Submit(node, "echo never", Terms() with { Deadline = DateTimeOffset.UtcNow.AddMilliseconds(300) });
            Abandon(node, ledger);
        }

        using var again = Open();
        using var next = new TestNode(ledger: again);
        Assert.Null(next.Runtime.Life.CancelGroup("g", 0, out var asked));
        Assert.Equal(1, asked);
        Assert.Equal(TaskState.Cancelled, (await WaitAsync(next, cancelled)).State);
        var end = await WaitAsync(next, late);
        Assert.Equal((TaskState.TimedOut, CauseType.DeadlinePassed), (end.State, end.Cause.Type));
        Assert.Empty(again.ReadLive());
    }

    private static TaskTerms Terms() => new() { Durable = true };

    private SqliteLedger Open() => SqliteLedger.Open(new LedgerOptions(Path.Combine(_directory, "ledger.db")), TimeProvider.System);

    /// <summary>As a daemon ends in order.</summary>
    private static void Close(TestNode node, SqliteLedger ledger)
    {
        node.Stop();
        ledger.Dispose();
    }

    /// <summary>The ledger first: what the node still does is not stored, as if it had been killed.</summary>
    private static void Abandon(TestNode node, SqliteLedger ledger)
    {
        ledger.Dispose();
        node.Stop();
    }

    /// <summary>Stored when it returns.</summary>
    private static TaskId Submit(TestNode node, string script, TaskTerms? terms = null)
    {
        var submission = new TaskSubmission
        {
            Target = node.ResolveCommand(), Level = 32, Command = new CommandLine(["/bin/sh", "-c", script], [], null), Terms = terms ?? Terms(),
        };
        Assert.Null(node.Tasks.Submit(submission, null, 0, out var id));
        return id;
    }

    private static Task<Ending> WaitAsync(TestNode node, TaskId id)
    {
        var ending = new Ending();
        Assert.Null(node.Tasks.Wait(id, 0, ending, 0));
        return ending.WaitAsync();
    }

    private static TaskState StateOf(TestNode node, TaskId id)
    {
        Assert.Null(node.Tasks.Get(id, 0, out var snapshot));
        return snapshot!.State;
    }
}
