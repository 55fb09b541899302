using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Calls that give their places back when they are asked to: they wait, go on from what they saved, and have one end and the right answer.</summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "RA4")]
public sealed class CooperativeTests
{
    private const long LongSum = 400_000_000;

    [Fact]
    public async Task One_that_is_asked_gives_its_place_to_others_and_goes_on_from_what_it_saved()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 });
        var call = Begin(node, "sum", 4_000_000_000_000); // longer than any test: its answer is not waited for
        for (var asked = 1; asked <= 3; asked++)
        {
            await node.RunsAsync(call);
            Assert.Null(await node.Runtime.Life.CheckpointAsync(call.Id, 0));
            var waiting = Get(node, call);
            Assert.Equal((TaskState.Queued, true, asked + 1), (waiting.State, waiting.Life!.Paused, waiting.Life.Attempt));
            Assert.Equal(16, waiting.Life.Saved!.Bytes);
            Assert.Contains("migration: cooperative", waiting.Life.Attempts[^1].Cause.ToString(), StringComparison.Ordinal);
            Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("echo"), "x"u8).WaitAsync()).State); // the pool has one place only
            Assert.Equal(asked - 1, node.Statistic("begun_from_state"));
            Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        }

        Assert.Equal((3, 0), (node.Statistic("yields"), node.Statistic("restarts")));
        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.Cancelled, 1), (call.State, call.Times));
    }

    /// <summary>At random instants, its beginning and its end among them; and a worker that is not killed for it.</summary>
    [Fact]
    public async Task Whenever_it_is_asked_it_has_one_end_and_the_right_answer()
    {
        using var node = new TestNode();
        var random = new Random(7);
        long yielded = 0;
        for (var i = 0; i < 40; i++)
        {
            var call = Begin(node, "sum", LongSum);
            for (var again = 0; again < 4 && !call.HasEnded; again++)
            {
                await Task.Delay(TimeSpan.FromMicroseconds(random.Next(20_000)), TestContext.Current.CancellationToken);
                var refusal = await node.Runtime.Life.CheckpointAsync(call.Id, 0);
                Assert.True(refusal is null or { Code: ErrorCode.Conflict or ErrorCode.InvalidArgument }, refusal?.Message);
                if (refusal is null)
                {
                    yielded++;
                    Assert.Equal(TaskState.Queued, node.StateOf(call));
                    if (i % 8 == 0)
                    {
                        Assert.Null(node.Tasks.Cancel(call.Id, 0));
                        break;
                    }

                    Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
                }
            }

            await call.WaitAsync();
            Assert.Equal(1, call.Times);
            Assert.True(call.State == TaskState.Succeeded || (i % 8 == 0 && call.State == TaskState.Cancelled), $"{call.State}: {call.Cause}");
            Assert.True(call.State != TaskState.Succeeded || BitConverter.ToInt64(call.Output) == LongSum * (LongSum - 1) / 2);
        }

        Assert.NotEqual(0, yielded);
        Assert.Equal(yielded, node.Statistic("yields"));
        await TestNode.UntilAsync(() => node.Statistic("states_bytes") == 0 && node.Statistic("slots_in_use") == 0, "nothing is left behind");
    }

    [Fact]
    public async Task One_that_does_not_look_is_refused_and_goes_on()
    {
        using var node = new TestNode(new RuntimeOptions { YieldMs = 20 });
        var call = Begin(node, "until_cancelled", 0);
        await node.RunsAsync(call);
        for (var i = 0; i < 2; i++)
        {
            var refusal = await node.Runtime.Life.CheckpointAsync(call.Id, 0);
            Assert.Equal(ErrorCode.Conflict, refusal!.Code);
            Assert.Contains("migration.yield_ms", refusal.Message, StringComparison.Ordinal);
        }

        Assert.Equal((TaskState.Running, 1), (node.StateOf(call), Get(node, call).Life!.Attempt));
        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await call.WaitAsync()).State);
    }

    /// <summary>Who asked has been told no: it waits in its queue like any other, and is not paused.</summary>
    [Fact]
    public async Task One_that_yields_too_late_goes_on_by_itself()
    {
        using var node = new TestNode(new RuntimeOptions { YieldMs = 1 });
        while (true)
        {
            var yields = node.Statistic("yields");
            var call = Begin(node, "yield_late", 0);
            await node.RunsAsync(call);
            var refusal = await node.Runtime.Life.CheckpointAsync(call.Id, 0);
            Assert.True(refusal is null or { Code: ErrorCode.Conflict }, refusal?.Message);
            if (refusal is null)
            {
                Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0)); // the machine stood still for a second: it was in time
            }

            await call.WaitAsync();
            Assert.Equal((TaskState.Succeeded, 1, "late"), (call.State, call.Times, Encoding.ASCII.GetString(call.Output)));
            Assert.Equal((2, yields + 1), (Get(node, call).Life!.Attempt, node.Statistic("yields")));
            if (refusal is not null)
            {
                return;
            }
        }
    }

    /// <summary>Its terms' attempts are for failures, and what comes of one after a yield is told as ever.</summary>
    [Fact]
    public async Task A_yield_is_not_counted_against_retries_and_an_end_answers_who_waits()
    {
        using var node = new TestNode();
        var once = new RetryTerms(1, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);
        var call = Begin(node, "sum", LongSum * 4, once);
        await node.RunsAsync(call);
        var asked = await node.Runtime.Life.CheckpointAsync(call.Id, 0);
        Assert.True(asked is null || call.HasEnded, asked?.Message);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));

        var other = Begin(node, "until_cancelled", 0);
        await node.RunsAsync(other);
        var waits = node.Runtime.Life.CheckpointAsync(other.Id, 0);
        Assert.Null(node.Tasks.Cancel(other.Id, 0));
        await other.WaitAsync();
        Assert.Contains("ended before it could", (await waits)!.Message, StringComparison.Ordinal);
    }

    private static Ending Begin(TestNode node, string function, long number, RetryTerms? retry = null)
    {
        var ending = new Ending();
        var submission = new TaskSubmission
        {
            Target = node.Resolve(function), Data = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture)), Level = 32,
            Terms = new TaskTerms { Migration = TaskMigration.Cooperative, Retry = retry },
        };
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
}
