using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Execution.Tests;

/// <summary>A task says what becomes of it when it is to give its place back: it begins anew, once more and with one end, or stays.</summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "RA4")]
public sealed class MigrationModeTests : CheckpointFixture
{
    [Fact]
    public async Task One_that_stays_is_refused_and_goes_on()
    {
        using var node = await StartAsync();
        var wanted = (await Submit(node, Resolve(node, "chain"), LongRounds).WaitAsync()).Output;
        var call = Begin(node, LongRounds, TaskMigration.Never);
        await BeginsAsync(node, call);
        var refusal = await CheckpointAsync(node, call);
        Assert.True(call.HasEnded || refusal!.Code == ErrorCode.Unsupported, refusal!.Message);
        Assert.True(call.HasEnded || refusal!.Message.Contains("migration: never", StringComparison.Ordinal), refusal!.Message);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(wanted, call.Output);
        await AssertCleanAsync(node);
    }

    /// <summary>On a node that can write nothing down, under the only place of its pool.</summary>
    [Fact]
    public async Task One_that_begins_anew_gives_its_place_to_others_and_has_the_right_answer()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 });
        await PutChainsAsync(node);
        var wanted = (await Submit(node, Resolve(node, "chain"), LongRounds).WaitAsync()).Output;
        for (var asked = 0; asked < 3;)
        {
            var call = Begin(node, LongRounds, TaskMigration.Restart);
            await BeginsAsync(node, call);
            if (await CheckpointAsync(node, call) is { } refusal)
            {
                await call.WaitAsync();
                Assert.Equal(TaskState.Succeeded, call.State); // it was over: the refusal says so
                Assert.True(refusal.Code is ErrorCode.Conflict or ErrorCode.InvalidArgument, refusal.Message);
                continue;
            }

            asked++;
            var waiting = Get(node, call);
            Assert.Equal((TaskState.Queued, true, 2), (waiting.State, waiting.Life!.Paused, waiting.Life.Attempt));
            Assert.Null(waiting.Life.Checkpoint);
            var ended = Assert.Single(waiting.Life.Attempts);
            Assert.Equal((1, TaskState.Cancelled), (ended.Attempt, ended.State));
            Assert.Contains("migration: restart", ended.Cause.ToString(), StringComparison.Ordinal);
            Assert.Equal(TaskState.Succeeded, (await Submit(node, Resolve(node, "chain"), 10).WaitAsync()).State); // the pool has one place only
            await EndAsync(node, call);
            Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
            Assert.Equal(wanted, call.Output);
        }

        Assert.Equal(3, node.Statistic("restarts"));
        await AssertCleanAsync(node);
    }

    /// <summary>At random instants, its end among them.</summary>
    [Fact]
    public async Task Whenever_it_is_asked_it_has_one_end_and_the_right_answer()
    {
        using var node = await StartAsync();
        var target = Resolve(node, "chain");
        const int rounds = LongRounds / 20;
        var wanted = (await Submit(node, target, rounds).WaitAsync()).Output;
        var random = new Random(20_262);
        for (var i = 0; i < 60; i++)
        {
            var call = Begin(node, rounds, TaskMigration.Restart);
            for (var again = 0; again < 3 && !call.HasEnded; again++)
            {
                await Task.Delay(TimeSpan.FromMicroseconds(random.Next(8_000)), TestContext.Current.CancellationToken);
                if (await CheckpointAsync(node, call) is null && i % 7 == 0)
                {
                    Assert.Null(node.Tasks.Cancel(call.Id, 0));
                }

                if (!call.HasEnded)
                {
                    Assert.True(await node.Runtime.Life.ResumeAsync(call.Id, 0) is null or { Code: ErrorCode.InvalidArgument });
                }
            }

            await call.WaitAsync();
            Assert.Equal(1, call.Times);
            Assert.True(call.State == TaskState.Succeeded || (i % 7 == 0 && call.State == TaskState.Cancelled), call.Cause.ToString());
            Assert.True(call.State != TaskState.Succeeded || wanted.SequenceEqual(call.Output));
        }

        Assert.NotEqual(0, node.Statistic("restarts"));
        await AssertCleanAsync(node);
    }

    /// <summary>Its terms' attempts are for failures: one that was ended for others is none of them.</summary>
    [Fact]
    public async Task An_attempt_that_was_ended_for_others_is_not_counted_against_its_retries()
    {
        using var node = await StartAsync();
        var retry = new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable);
        var call = Begin(node, 4_000_000_000, TaskMigration.Restart, retry);
        for (var i = 0; i < 2; i++)
        {
            await node.RunsAsync(call);
            Assert.Null(await CheckpointAsync(node, call));
            Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        }

        await node.RunsAsync(call);
        var before = Get(node, call).Life!.Attempt;
        Assert.Equal(3, before);
        await KillWorkerAsync(node);
        await TestNode.UntilAsync(() => Get(node, call).Life!.Attempt == 4, () => Describe(node, call)); // its second that counts
        await node.RunsAsync(call);
        await KillWorkerAsync(node);
        await call.WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.WorkerLost, 1), (call.State, call.Cause.Type, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public async Task A_durable_one_keeps_what_it_asked_for_over_a_restart_of_the_node()
    {
        TaskId id;
        using (var ledger = Open())
        using (var node = await StartAsync(ledger: ledger))
        {
            var receipt = new Receipt();
            var submission = new TaskSubmission
            {
                Target = Resolve(node, "chain"), Data = Input(LongRounds * 8), Level = 32, Receipt = receipt,
                Terms = new TaskTerms { Durable = true, Migration = TaskMigration.Restart },
            };
            Assert.Null(node.Tasks.Submit(submission, null, 0, out _));
            Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
            var call = new Ending { Id = id = receipt.Id };
            await node.RunsAsync(call);
            Assert.Null(await CheckpointAsync(node, call));
            await TestNode.UntilAsync(() => ledger.ReadLive().Single() is { State: TaskState.Queued, Attempt: 2 }, "the ledger has its next attempt");
            ledger.Dispose(); // first: what the node still does is not stored, as if it had been killed
            node.Stop();
        }

        using var again = Open();
        using var next = await StartAsync(ledger: again, bare: true);
        var end = new Ending { Id = id };
        Assert.Null(next.Tasks.Wait(id, 0, end, 0));
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await next.RunsAsync(end);
        Assert.Null(await CheckpointAsync(next, end));
        Assert.Null(FileOf(next, end)); // it was ended, not written down
        await EndAsync(next, end);
        Assert.Equal((TaskState.Succeeded, 1), (end.State, end.Times));
        await AssertCleanAsync(next);
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public void A_task_that_was_stored_before_there_was_the_choice_is_still_read()
    {
        var spec = new DurableSpec(TaskKind.Call) { Image = "i", Function = "f", Profile = "compute", Terms = new TaskTerms { Durable = true, Migration = TaskMigration.Never } };
        var bytes = SpecCodec.Encode(spec);
        Assert.Equal(TaskMigration.Never, SpecCodec.Decode(bytes).Terms.Migration);
        var header = Array.LastIndexOf(bytes, (byte)0x99); // of the terms, which come last: an array of nine, the choice its last
        bytes[header] = 0x98;
        Assert.Equal(TaskMigration.Transparent, SpecCodec.Decode(bytes[..^1]).Terms.Migration);
        bytes[header] = 0x97;
        Assert.Throws<InvalidDataException>(() => SpecCodec.Decode(bytes[..^2]));
    }

    private static Ending Begin(TestNode node, long rounds, TaskMigration migration, RetryTerms? retry = null)
    {
        var ending = new Ending();
        var submission = new TaskSubmission { Target = Resolve(node, "chain"), Data = Input(rounds), Level = 32, Terms = new TaskTerms { Migration = migration, Retry = retry } };
        var error = node.Tasks.Submit(submission, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    /// <summary>The one that serves: those that were ended for others may not have gone yet.</summary>
    private static Task KillWorkerAsync(TestNode node) => TestNode.UntilAsync(() =>
    {
        var pid = node.Runtime.Workers.All().FirstOrDefault(static w => w is { ProcessId: not 0, IsServing: true, IsIdle: false, Capture: null })?.ProcessId ?? 0;
        if (pid == 0)
        {
            return false;
        }

        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            process.Kill();
            return true;
        }
        catch (Exception gone) when (gone is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    });

    private SqliteLedger Open() =>
        SqliteLedger.Open(new LedgerOptions(Path.Combine(Directory.CreateDirectory(Path.Combine(CheckpointDirectory, "ledger")).FullName, "ledger.db")), TimeProvider.System);
}
