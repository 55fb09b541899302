using System.Diagnostics;
using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What a call saves is its task's: it outlives the worker, the next attempt begins from it, and it goes with the task.</summary>
[Trait("Promise", "TR1")]
[Trait("Promise", "RA4")]
public sealed class SavedStateTests
{
    private static readonly RetryTerms s_retry = new(20, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);

    [Fact]
    public async Task Each_attempt_begins_from_what_the_one_before_saved()
    {
        using var node = new TestNode();
        var call = Begin(node, "climb", 5);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(5, BitConverter.ToInt64(call.Output));
        var life = Get(node, call).Life!;
        Assert.Equal((5, 5L, 8L), (life.Attempt, life.Saved!.Times, life.Saved.Bytes));
        Assert.Equal((5, 4), (node.Statistic("states_saved"), node.Statistic("begun_from_state")));
        Assert.Contains("saved its state 5 times", node.Runtime.Monitor.Explain(call.Id, 0)!.Text, StringComparison.Ordinal);
        await AssertForgottenAsync(node);
    }

    /// <summary>Inline, in one piece, in as many as it takes; and with an input that is sent behind it in as many.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(48, 100_000)]
    [InlineData(49, 0)]
    [InlineData(65_536, 3)]
    [InlineData(65_537, 1_000_000)]
    [InlineData(1 << 20, 0)]
    [InlineData(1 << 20, 1_000_000)]
    public async Task States_of_every_size_come_back_whole(int bytes, int more)
    {
        using var node = new TestNode();
        var call = Begin(node, "save_and_crash", bytes, more);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal([.. Enumerable.Range(0, bytes).Select(static i => (byte)(i % 251))], call.Output);
        Assert.Equal(2, Get(node, call).Life!.Attempt);
        await AssertForgottenAsync(node);
    }

    [Fact]
    public async Task The_last_of_many_counts_and_a_worker_that_is_killed_loses_nothing()
    {
        using var node = new TestNode();
        var call = Begin(node, "save_and_wait", 2_000);
        await TestNode.UntilAsync(() => Get(node, call).Progress is { Percent: 100 }, "it has saved all"); // told behind its last state
        await KillWorkerAsync(node);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(2_000, BitConverter.ToInt64(call.Output));
        Assert.Equal(CauseType.WorkerLost, Assert.Single(Get(node, call).Life!.Attempts).Cause.Type);
        Assert.Equal(4_002, node.Statistic("states_saved"));
        await AssertForgottenAsync(node);
    }

    [Fact]
    public async Task What_is_too_large_is_refused_to_the_function_and_nothing_else_happens()
    {
        using var node = new TestNode(new RuntimeOptions { MaxStateBytes = 4_096 });
        var call = await Begin(node, "save_and_crash", 4_097).WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, BitConverter.ToInt32(call.Output)));
        Assert.Equal(0, node.Statistic("states_saved"));
        var fits = await Begin(node, "save_and_crash", 4_096).WaitAsync();
        Assert.Equal((TaskState.Succeeded, 4_096), (fits.State, fits.Output.Length));
        using var none = new TestNode(new RuntimeOptions { MaxStateBytes = 0 });
        Assert.Equal(2, BitConverter.ToInt32((await Begin(none, "save_and_crash", 1).WaitAsync()).Output));
    }

    [Fact]
    public async Task Where_there_is_no_room_for_all_states_what_was_saved_before_stands()
    {
        using var node = new TestNode(new RuntimeOptions { MaxStatesBytes = 1_000 });
        var held = Begin(node, "save_and_wait", 0);
        await TestNode.UntilAsync(() => Get(node, held).Progress is not null, "it has saved");
        var call = Begin(node, "save_and_crash", 993, retry: new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable));
        await call.WaitAsync();
        Assert.Equal((TaskState.Failed, 1), (call.State, call.Times)); // twice at its beginning
        Assert.Equal(2, node.Statistic("states_refused"));
        Assert.Equal((8, 8), (Get(node, held).Life!.Saved!.Bytes, node.Statistic("states_bytes")));
        Assert.Null(node.Tasks.Cancel(held.Id, 0));
        await held.WaitAsync();
        await AssertForgottenAsync(node);
    }

    /// <summary>Nothing of a task is another one's, in the same worker, whoever ended how.</summary>
    [Fact]
    public async Task Another_task_finds_nothing()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 });
        for (var i = 0; i < 20; i++)
        {
            var call = await Begin(node, "climb", 1).WaitAsync(); // it saves, and succeeds
            Assert.Equal(1, BitConverter.ToInt64(call.Output));
        }

        Assert.Equal(0, node.Statistic("begun_from_state"));
        await AssertForgottenAsync(node);
    }

    [Fact]
    public async Task A_call_that_yields_and_was_not_asked_fails()
    {
        using var node = new TestNode();
        var call = await Begin(node, "yield_unasked", 0, retry: null).WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.Exception), (call.State, call.Cause.Type));
        Assert.StartsWith("not_asked_to_yield", call.Cause.Detail, StringComparison.Ordinal);
    }

    private static Ending Begin(TestNode node, string function, int number, int more = 0) => Begin(node, function, number, s_retry, more);

    private static Ending Begin(TestNode node, string function, int number, RetryTerms? retry, int more = 0)
    {
        var ending = new Ending();
        var data = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture) + new string(' ', more));
        var submission = new TaskSubmission { Target = node.Resolve(function), Data = data, Level = 32, Terms = new TaskTerms { Retry = retry } };
        var error = node.Tasks.Submit(submission, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    private static TaskSnapshot Get(TestNode node, Ending ending)
    {
        Assert.Null(node.Tasks.Get(ending.Id, 0, out var snapshot));
        return snapshot!;
    }

    private static Task AssertForgottenAsync(TestNode node) => TestNode.UntilAsync(() => node.Statistic("states_bytes") == 0, "no state is kept");

    private static async Task KillWorkerAsync(TestNode node)
    {
        var pid = node.Runtime.Workers.All().Single(static w => w is { ProcessId: not 0, IsIdle: false }).ProcessId;
        using var process = Process.GetProcessById(pid);
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
