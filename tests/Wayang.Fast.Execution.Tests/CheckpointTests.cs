using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Calls that are written into a file in the middle and go on from there: the same answer, one end.</summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "RA4")]
public sealed class CheckpointTests : CheckpointFixture
{
    [Theory]
    [InlineData("chain", 12)]
    [InlineData("drift", 12)]
    public async Task What_is_written_down_at_any_instant_answers_as_if_nothing_had_been(string function, int times)
    {
        using var node = await StartAsync();
        var target = Resolve(node, function);
        var wanted = (await Submit(node, target, LongRounds).WaitAsync()).Output;
        var random = new Random(20_261);
        var written = 0;
        for (var i = 0; i < times; i++)
        {
            var call = Submit(node, target, LongRounds);
            await BeginsAsync(node, call);
            for (var again = 0; again < 5; again++)
            {
                await Task.Delay(random.Next(12), TestContext.Current.CancellationToken);
                if (await CheckpointAsync(node, call) is null)
                {
                    written++;
                    await AssertWaitsAsync(node, call);
                    Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
                    await TestNode.UntilAsync(() => call.HasEnded || node.StateOf(call) == TaskState.Running, () => Describe(node, call));
                }
            }

            await call.WaitAsync();
            Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
            Assert.Equal(wanted, call.Output);
        }

        Assert.InRange(written, times, int.MaxValue);
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task Who_is_written_down_gives_his_place_to_others_and_his_time_stands_still()
    {
        using var node = await StartAsync(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 });
        var chain = Resolve(node, "chain");
        var call = Submit(node, chain, LongRounds * 8);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));
        Assert.Equal(TaskState.Succeeded, (await Submit(node, chain, 10).WaitAsync()).State); // the pool has one place only
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task Each_step_is_told_and_counted_and_explained()
    {
        using var node = await StartAsync();
        var call = Submit(node, Resolve(node, "chain"), LongRounds * 8);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));
        var file = FileOf(node, call)!;
        var why = node.Runtime.Monitor.Explain(call.Id, 0)!.Text;
        Assert.Contains("was written down", why, StringComparison.Ordinal);
        Assert.DoesNotContain("could not go on", why, StringComparison.Ordinal);

        var whole = await File.ReadAllBytesAsync(file.File, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(file.File, whole[..^40], TestContext.Current.CancellationToken);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await TestNode.UntilAsync(() => FileOf(node, call)?.Failure is not null, () => Describe(node, call));
        Assert.Contains("could not go on when that was last tried", node.Runtime.Monitor.Explain(call.Id, 0)!.Text, StringComparison.Ordinal);
        await File.WriteAllBytesAsync(file.File, whole, TestContext.Current.CancellationToken);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await call.WaitAsync();

        string[] types = ["wayang.task.checkpointed", "wayang.task.not_continued", "wayang.task.continued"];
        NodeEvent[] Told() => [.. node.Runtime.Events.Stream.Read(0, 1000, new EventFilter { Task = call.Id }).Events.Where(e => types.Contains(e.Type))];
        await TestNode.UntilAsync(() => Told().Length == types.Length, () => string.Join(' ', Told().Select(static e => e.Type)));
        Assert.Equal(types, Told().Select(static e => e.Type));
        Assert.All(Told(), e => Assert.Equal((call.Id, 0), (e.Task, e.Tenant)));
        Assert.Equal((1, 1, 1), (node.Statistic("checkpoints_written"), node.Statistic("checkpoints_continued"), node.Statistic("checkpoints_not_continued")));
        var page = new Exposition(1000);
        node.Runtime.Metrics.WriteMetrics(page);
        Assert.Contains($"wayang_checkpoint_written_bytes_total {file.Bytes}", page.ToString(), StringComparison.Ordinal);
        Assert.Contains("wayang_checkpoint_restore_seconds_count 1", page.ToString(), StringComparison.Ordinal);
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task A_task_that_is_written_down_can_be_cancelled_and_leaves_no_file()
    {
        using var node = await StartAsync();
        var call = Submit(node, Resolve(node, "chain"), LongRounds * 8);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));
        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.Cancelled, 1), (call.State, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task A_timeout_counts_what_ran_before_and_after()
    {
        using var node = await StartAsync();
        var call = node.Submit(Resolve(node, "chain"), "4000000000"u8, timeoutMs: 1500);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));

        // Another one's time, which is longer, ran out meanwhile.
        Assert.Equal(TaskState.TimedOut, (await node.Submit(Resolve(node, "chain"), "4000000000"u8, timeoutMs: 1800).WaitAsync()).State);
        Assert.False(call.HasEnded);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.TimedOut, 1), (call.State, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task A_damaged_file_is_refused_by_name_and_the_task_stays()
    {
        using var node = await StartAsync();
        var call = Submit(node, Resolve(node, "chain"), LongRounds * 8);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));
        var file = FileOf(node, call)!.File;
        var whole = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        foreach (var (damage, says) in new (Func<byte[], byte[]>, string)[]
        {
            (b => [.. b[..100], (byte)(b[100] ^ 1), .. b[101..]], "damaged"),
            (b => b[..^40], "breaks off"),
            (b => [.. "no checkpoint"u8, .. b[13..]], "no checkpoint"),
        })
        {
            await File.WriteAllBytesAsync(file, damage(whole), TestContext.Current.CancellationToken);
            Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
            await TestNode.UntilAsync(() => FileOf(node, call)?.Failure?.Contains(says, StringComparison.Ordinal) == true, () => Describe(node, call));
            await AssertWaitsAsync(node, call);
        }

        await File.WriteAllBytesAsync(file, whole, TestContext.Current.CancellationToken);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task The_file_serves_a_spawner_that_was_started_later()
    {
        using var node = await StartAsync();
        var chain = Resolve(node, "chain");
        var wanted = (await Submit(node, chain, LongRounds * 8).WaitAsync()).Output;
        var call = Submit(node, chain, LongRounds * 8);
        await node.RunsAsync(call);
        Assert.Null(await CheckpointAsync(node, call));
        node.KillSpawner();
        await TestNode.UntilAsync(() => !node.Runtime.IsReady);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        node.StartSpawner();
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(wanted, call.Output);
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task A_worker_that_is_killed_meanwhile_ends_its_task_once_or_not_at_all()
    {
        using var node = await StartAsync();
        var chain = Resolve(node, "chain");
        var random = new Random(7);
        for (var i = 0; i < 10; i++)
        {
            var call = Submit(node, chain, LongRounds * 4);
            var pid = 0;
            await TestNode.UntilAsync(() => call.HasEnded || (pid = node.Runtime.Workers.All().FirstOrDefault(static w => w.ProcessId != 0 && !w.IsIdle)?.ProcessId ?? 0) != 0);
            if (pid == 0)
            {
                continue; // it was over before it was looked at
            }

            var asked = CheckpointAsync(node, call);
            await Task.Delay(random.Next(20), TestContext.Current.CancellationToken);
            try
            {
                System.Diagnostics.Process.GetProcessById(pid).Kill();
            }
            catch (Exception failure) when (failure is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                // It is gone already.
            }

            if (await asked is null)
            {
                Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
            }

            await call.WaitAsync();
            Assert.Equal(1, call.Times);
            Assert.True(call.State is TaskState.Succeeded or TaskState.Failed, call.Cause.ToString());
        }

        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task What_cannot_be_written_down_is_refused_with_the_reason()
    {
        using var node = await StartAsync();
        var ended = await Submit(node, Resolve(node, "chain"), 10).WaitAsync();
        Assert.Contains("has ended", (await node.Runtime.Life.CheckpointAsync(ended.Id, 0))!.Message, StringComparison.Ordinal);
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "30"]);
        await node.RunsAsync(command);
        var refusal = await node.Runtime.Life.CheckpointAsync(command.Id, 0);
        Assert.Equal(ErrorCode.Unsupported, refusal!.Code);
        Assert.Contains("command", refusal.Message, StringComparison.Ordinal);
        Assert.Null(node.Tasks.Cancel(command.Id, 0));
        await command.WaitAsync();

        using var plain = new TestNode();
        var call = plain.Submit(plain.Resolve("until_cancelled"));
        await plain.RunsAsync(call);
        Assert.Equal(ErrorCode.Unsupported, (await plain.Runtime.Life.CheckpointAsync(call.Id, 0))!.Code);
        Assert.Null(plain.Tasks.Cancel(call.Id, 0));
        await call.WaitAsync();
    }

    private static async Task AssertWaitsAsync(TestNode node, Ending call)
    {
        var snapshot = Get(node, call);
        Assert.Equal((TaskState.Queued, true, 0), (snapshot.State, snapshot.Life!.Paused, call.Times));
        Assert.True(File.Exists(snapshot.Life.Checkpoint!.File));
        await TestNode.UntilAsync(() => node.Statistic("slots_in_use") == 0);
    }
}
