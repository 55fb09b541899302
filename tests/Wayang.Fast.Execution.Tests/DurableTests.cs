using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A durable task is acknowledged when it is stored, its end is told when that is stored, and what cannot be stored is refused.</summary>
[Trait("Promise", "TR4")]
public sealed class DurableTests
{
    [Fact]
    public async Task Nothing_runs_before_it_is_stored_and_no_end_is_told_before_it_is()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        var receipt = new Receipt();
        var (error, id) = Submit(node, receipt);
        Assert.Null(error);
        Assert.Equal(default, id);
        var submission = await ledger.TakeAsync<LedgerSubmission>();
        Assert.False(receipt.Told.IsCompleted);
        Assert.Equal(TaskState.Queued, StateOf(node, submission.Id));
        submission.OnStored();
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));

        var waiting = new Ending();
        Assert.Null(node.Tasks.Wait(submission.Id, 0, waiting, 0));
        var end = await ledger.TakeAsync<LedgerEnd>();
        Assert.Equal(TaskState.Succeeded, end.State);
        Assert.Equal(TaskState.Running, StateOf(node, submission.Id));
        Assert.False(waiting.HasEnded);

        // A cancel that comes meanwhile changes nothing: the end is decided.
        Assert.Null(node.Tasks.Cancel(submission.Id, 0));
        end.OnStored();
        await waiting.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (waiting.State, waiting.Times));
        Assert.Equal("out\n", waiting.Stdout);
        Assert.Empty(ledger.Waiting.OfType<LedgerEnd>());
    }

    [Fact]
    public async Task A_cancel_before_it_is_stored_ends_it_once_and_it_never_runs()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        var receipt = new Receipt();
        Submit(node, receipt);
        var submission = await ledger.TakeAsync<LedgerSubmission>();
        var waiting = new Ending();
        Assert.Null(node.Tasks.Wait(submission.Id, 0, waiting, 0));
        Assert.Null(node.Tasks.Cancel(submission.Id, 0));
        var end = await ledger.TakeAsync<LedgerEnd>();
        submission.OnStored();
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
        end.OnStored();
        await waiting.WaitAsync();
        Assert.Equal((TaskState.Cancelled, 1), (waiting.State, waiting.Times));
        Assert.Empty(ledger.Waiting); // no start
        Assert.Equal(0, node.Statistic("tasks_queued"));
    }

    [Fact]
    public async Task What_could_not_be_stored_is_refused_and_is_no_task()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        var receipt = new Receipt();
        var key = new IdempotencyTerms("k", new(0, 1));
        Submit(node, receipt, new TaskTerms { Durable = true, Idempotency = key });
        var submission = await ledger.TakeAsync<LedgerSubmission>();
        var full = new OperationError(ErrorCode.Unavailable, "the disk is full", "durable", 1000);
        submission.OnRefused(full);
        Assert.Equal(full, await receipt.Told.WaitAsync(TestNode.Patience));

        // The key is free again, and of task.run the observer is told the refusal.
        var running = new Ending();
        var again = new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = Echo(), Terms = new TaskTerms { Durable = true, Idempotency = key } };
        Assert.Null(node.Tasks.Submit(again, running, 0, out var id));
        Assert.NotEqual(submission.Id, id);
        (await ledger.TakeAsync<LedgerSubmission>()).OnRefused(full);
        await running.WaitAsync();
        Assert.Equal((TaskState.Rejected, "the disk is full", 1), (running.State, running.Cause.Detail, running.Times));

        // Others go on, and know nothing of it.
        var other = await node.Submit(node.ResolveCommand(), command: ["/bin/echo", "out"]).WaitAsync();
        Assert.Equal(TaskState.Succeeded, other.State);
        await TestNode.UntilAsync(() => node.Statistic("tasks_rejected") == 2);
        Assert.Equal(0, node.Statistic("tasks_queued"));
    }

    [Fact]
    public async Task A_ledger_that_refuses_is_told_at_once_and_keeps_no_other_task_from_running()
    {
        using var ledger = new ScriptedLedger { Refusal = new OperationError(ErrorCode.Unavailable, "broken", "durable") };
        using var node = new TestNode(ledger: ledger);
        Assert.Equal(ErrorCode.Unavailable, Submit(node, new Receipt()).Error!.Code);
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.ResolveCommand(), command: ["/bin/true"]).WaitAsync()).State);
        Assert.Empty(ledger.Waiting);
    }

    [Fact]
    public void What_cannot_be_durable_says_why()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        Assert.Equal("secrets", Submit(node, new Receipt(), new TaskTerms { Durable = true, Secrets = [new TaskSecret("s", [1])] }).Error!.Field);
        Assert.Equal("parent", Submit(node, new Receipt(), new TaskTerms { Durable = true, Parent = new TaskId(0, 1) }).Error!.Field);
        using var without = new TestNode();
        Assert.Equal((ErrorCode.Unsupported, "durable"), Submit(without, new Receipt()).Error is { } error ? (error.Code, error.Field) : default);
    }

    [Fact]
    public async Task By_default_durable_where_it_is_configured_and_can_be()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(new RuntimeOptions { DurableByDefault = true }, ledger);
        Assert.True(node.Tasks.StoresByDefault);
        Submit(node, new Receipt(), terms: null);
        (await ledger.TakeAsync<LedgerSubmission>()).OnStored();
        var open = new Ending();
        var submission = new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = Echo(), Terms = new TaskTerms { Durable = false } };
        Assert.Null(node.Tasks.Submit(submission, open, 0, out _));
        Assert.Equal(TaskState.Succeeded, (await open.WaitAsync()).State);
        (await ledger.TakeAsync<LedgerEnd>()).OnStored();
    }

    [Fact]
    public async Task Attempts_are_stored_as_they_begin_and_fail()
    {
        using var ledger = new ScriptedLedger();
        using var node = new TestNode(ledger: ledger);
        var retry = new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);
        Submit(node, new Receipt(), new TaskTerms { Durable = true, Retry = retry }, new CommandLine(["/bin/false"], [], null));
        (await ledger.TakeAsync<LedgerSubmission>()).OnStored();
        Assert.Equal(1, (await ledger.TakeAsync<LedgerStart>()).Attempt);
        Assert.Equal(2, (await ledger.TakeAsync<LedgerRetry>()).NextAttempt);
        Assert.Equal(2, (await ledger.TakeAsync<LedgerStart>()).Attempt);
        var end = await ledger.TakeAsync<LedgerEnd>();
        Assert.Equal(TaskState.Failed, end.State);
        end.OnStored();
        await TestNode.UntilAsync(() => StateOf(node, end.Id) == TaskState.Failed);
    }

    private static TaskState StateOf(TestNode node, TaskId id)
    {
        Assert.Null(node.Tasks.Get(id, 0, out var snapshot));
        Assert.True(snapshot!.Life!.Durable);
        return snapshot.State;
    }

    private static CommandLine Echo() => new(["/bin/echo", "out"], [], null);

    private static (OperationError? Error, TaskId Id) Submit(TestNode node, Receipt receipt) => Submit(node, receipt, new TaskTerms { Durable = true });

    private static (OperationError? Error, TaskId Id) Submit(TestNode node, Receipt receipt, TaskTerms? terms, CommandLine? command = null)
    {
        var submission = new TaskSubmission
        {
            Target = node.ResolveCommand(), Level = 32, Command = command ?? Echo(), Terms = terms, Receipt = receipt, ReceiptToken = 5,
        };
        return (node.Tasks.Submit(submission, null, 0, out var id), id);
    }
}

/// <summary>What became of a durable submission: null, stored.</summary>
internal sealed class Receipt : ISubmissionReceipt
{
    private readonly TaskCompletionSource<OperationError?> _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<OperationError?> Told => _told.Task;

    public TaskId Id { get; private set; }

    public void OnStored(TaskId id, long token)
    {
        Id = id;
        _told.SetResult(null);
    }

    public void OnRefused(OperationError refusal, long token) => _told.SetResult(refusal);
}
