using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.EndToEnd.Tests.Python;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Retries on real workers: further attempts of the same task, with the same input, and one end.</summary>
[Trait("Promise", "TR4")]
public sealed class RetryTests
{
    private static TaskTerms Retry(int attempts, int backoffMs = 1, uint? on = null) => new()
    {
        Retry = new RetryTerms(attempts, TimeSpan.FromMilliseconds(backoffMs), TimeSpan.FromSeconds(60), 100, 0, on ?? RetryTerms.AllRetryable),
    };

    private static TaskId Begin(LiveNode node, CallTarget target, byte[] data, TaskTerms terms, out EndWaiter waiter, string? script = null, uint timeoutMs = 0)
    {
        waiter = new EndWaiter();
        var submission = new TaskSubmission
        {
            Target = target,
            Data = data,
            Level = LiveNode.Normal,
            TimeoutMs = timeoutMs,
            Command = script is null ? null : new CommandLine(["/bin/sh", "-c", script], [], WorkingDirectory: null),
            Terms = terms,
        };
        Assert.Null(node.Tasks.Submit(submission, waiter, 0, out var id));
        return id;
    }

    [Fact]
    public async Task A_command_is_tried_again_with_its_input_and_ends_once()
    {
        using var node = new LiveNode();
        var id = Begin(node, node.Command(), "in"u8.ToArray(), Retry(3), out var waiter, "cat; exit 3");
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal((id, TaskState.Failed, CauseType.Exit, 3, "in"), (end.Id, end.State, end.Cause.Type, end.Cause.Value, end.Out));
        Assert.Equal((3, 3), (end.Life!.Attempt, end.Life.MaxAttempts));
        Assert.Equal([1, 2], end.Life.Attempts.Select(static a => a.Attempt));
        Assert.All(end.Life.Attempts, static a => Assert.Equal((TaskState.Failed, CauseType.Exit, 3), (a.State, a.Cause.Type, a.Cause.Value)));
        Assert.Equal((1, 2L, 1L), (waiter.Told, node.Statistic("retries"), node.Statistic("tasks_failed")));
    }

    [Fact]
    public async Task A_call_knows_its_attempt_and_succeeds_in_the_end()
    {
        using var python = new PythonNode();
        await python.PutAsync(
            """
            def flaky(data, ctx):
                if ctx.attempt < 3:
                    raise ValueError(f"attempt {ctx.attempt}")
                return data + str(ctx.attempt).encode()
            """);
        var node = python.Node;
        Begin(node, await node.FunctionAsync("job", "flaky"), "x"u8.ToArray(), Retry(5), out var waiter);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        Assert.Equal("x3", end.Text);
        Assert.Equal(["ValueError: attempt 1", "ValueError: attempt 2"], end.Life!.Attempts.Select(static a => a.Cause.Detail));
    }

    [Fact]
    public async Task Each_attempt_has_its_whole_time()
    {
        using var node = new LiveNode();
        await node.PutAsync("good", Plugins.Good);
        Begin(node, await node.FunctionAsync("good", "endless"), [], Retry(2), out var call, timeoutMs: 1_000);
        Begin(node, node.Command(), [], Retry(2), out var command, "sleep 60", timeoutMs: 1_000);
        foreach (var waiter in new[] { call, command })
        {
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.Equal((TaskState.TimedOut, CauseType.Timeout, 2), (end.State, end.Cause.Type, end.Life!.Attempt));
            Assert.InRange(end.Life.Attempts[0].RunMicroseconds, 1, long.MaxValue);
        }
    }

    [Fact]
    public async Task A_cancel_ends_the_wait_for_the_next_attempt()
    {
        using var node = new LiveNode();
        var id = Begin(node, node.Command(), [], Retry(5, backoffMs: 60_000), out var waiter, "exit 1");
        await LiveNode.UntilAsync(() => node.Statistic("tasks_awaiting_retry") == 1, "the first attempt failed");
        Assert.Null(node.Tasks.Get(id, 0, out var snapshot));
        Assert.Equal((TaskState.Queued, 2), (snapshot!.State, snapshot.Life!.Attempt));
        Assert.True(snapshot.Life.RetryAt > DateTimeOffset.UtcNow);
        node.Cancel(id);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.Cancelled, CauseType.Cancelled, 0L), (end.State, end.Cause.Type, node.Statistic("tasks_awaiting_retry")));
    }

    /// <summary>Workers are killed as they come, so attempts are lost at any point; what an old attempt still says is not heard.</summary>
    [Fact]
    public async Task Killed_workers_cost_attempts_and_no_task()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 3 });
        await node.PutAsync("good", Plugins.Good);
        var echo = await node.FunctionAsync("good", "echo");
        var doze = await node.FunctionAsync("good", "doze");
        var waiters = new List<(EndWaiter Waiter, string Answer)>();
        for (var i = 0; i < 1_000; i++)
        {
            var data = Encoding.ASCII.GetBytes(new string((char)('a' + (i % 26)), i % 5 == 0 ? 5_000 : 20));
            Begin(node, i % 50 == 49 ? doze : echo, i % 50 == 49 ? "20"u8.ToArray() : data, Retry(50), out var waiter);
            waiters.Add((waiter, i % 50 == 49 ? "" : Encoding.ASCII.GetString(data)));
        }

        var killed = new HashSet<int>();
        while (killed.Count < 30 && waiters.Exists(static w => w.Waiter.Told == 0))
        {
            foreach (var pid in node.WorkerPids().Where(killed.Add))
            {
                Fixture.Signals.KillIfThere(pid);
            }

            await LiveNode.UntilAsync(
                () => node.WorkerPids().Any(pid => !killed.Contains(pid)) || waiters.TrueForAll(static w => w.Waiter.Told > 0), "another worker came, or all ended");
        }

        foreach (var (waiter, answer) in waiters)
        {
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.True(end.State == TaskState.Succeeded, end.ToString());
            Assert.True(answer.Length == 0 || end.Text == answer, "the answer of another task");
        }

        Assert.All(waiters, static w => Assert.Equal(1, w.Waiter.Told));
        Assert.Equal((1_000L, 0L), (node.Statistic("tasks_succeeded"), node.Statistic("tasks_awaiting_retry")));
        Assert.InRange(node.Statistic("retries"), 1, 50_000);
    }
}
