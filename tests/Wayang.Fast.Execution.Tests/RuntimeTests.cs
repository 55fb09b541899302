using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>The whole runtime over real workers: ends are typed, come once, and nothing is lost or leaked on the way.</summary>
public sealed class RuntimeTests
{
    [Fact]
    [Trait("Promise", "TR1")]
    public async Task Many_calls_end_once_each_with_their_own_output()
    {
        using var node = new TestNode(new RuntimeOptions { CallConcurrency = 16, MaxWorkersPerPool = 3 });
        var echo = node.Resolve("echo");
        var endings = Enumerable.Range(0, 20_000).Select(i => (i, node.Submit(echo, BitConverter.GetBytes(i)))).ToArray();
        foreach (var (i, ending) in endings)
        {
            await ending.WaitAsync();
            Assert.Equal((TaskState.Succeeded, i), (ending.State, BitConverter.ToInt32(ending.Output)));
        }

        Assert.All(endings, e => Assert.Equal(1, e.Item2.Times));
        Assert.Equal(0, node.Statistic("tasks_queued"));
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task Inputs_beyond_the_ring_wait_for_space_and_arrive_whole()
    {
        using var node = new TestNode(new RuntimeOptions { CallConcurrency = 4, MaxWorkersPerPool = 1 });
        var echo = node.Resolve("echo");
        var inputs = Enumerable.Range(1, 8).Select(seed => Bytes(seed, (3 << 20) + seed)).ToArray();
        var endings = inputs.Select(input => node.Submit(echo, input)).ToArray();
        var small = Enumerable.Range(0, 200).Select(i => node.Submit(echo, BitConverter.GetBytes(i))).ToArray();
        for (var i = 0; i < inputs.Length; i++)
        {
            var ending = await endings[i].WaitAsync();
            Assert.Equal(TaskState.Succeeded, ending.State);
            Assert.True(inputs[i].AsSpan().SequenceEqual(ending.Output));
        }

        foreach (var ending in small)
        {
            Assert.Equal(TaskState.Succeeded, (await ending.WaitAsync()).State);
        }
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_spinning_runtime_still_hears_new_workers_and_commands()
    {
        using var node = new TestNode(new RuntimeOptions { SpinMicroseconds = 50, MaxWorkersPerPool = 2 });
        var first = node.Submit(node.Resolve("until_cancelled"));
        var second = node.Submit(node.Resolve("echo"), "x"u8);
        Assert.Equal(TaskState.Succeeded, (await second.WaitAsync()).State);
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/echo", "hi"]);
        Assert.Equal("hi\n", (await command.WaitAsync()).Stdout);
        Assert.Null(node.Tasks.Cancel(first.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await first.WaitAsync()).State);
    }

    [Fact]
    [Trait("Promise", "TR3")]
    public async Task A_cancelled_queued_task_gives_its_bytes_back_to_admission()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, MaxQueuedBytes = 100_000 });
        var blocker = node.Submit(node.Resolve("until_cancelled"));
        var echo = node.Resolve("echo");
        for (var round = 0; round < 5; round++)
        {
            // Only fits when the round before gave everything back, which happens when dispatch meets its entry.
            var queued = node.Submit(echo, new byte[90_000]);
            var refused = node.Tasks.Submit(new TaskSubmission { Target = echo, Data = new byte[20_000], Level = 32 }, null, 0, out _);
            Assert.Equal(ErrorCode.ResourceExhausted, refused?.Code);
            Assert.Null(node.Tasks.Cancel(queued.Id, 0));
            Assert.Equal(TaskState.Cancelled, (await queued.WaitAsync()).State);
            Assert.Null(node.Tasks.Cancel(blocker.Id, 0));
            Assert.Equal(TaskState.Cancelled, (await blocker.WaitAsync()).State);
            Assert.Equal(TaskState.Succeeded, (await node.Submit(echo).WaitAsync()).State); // behind the tombstone
            blocker = node.Submit(node.Resolve("until_cancelled"));
        }

        Assert.Null(node.Tasks.Cancel(blocker.Id, 0));
    }

    [Fact]
    [Trait("Promise", "TR3")]
    public async Task A_command_that_ignores_TERM_is_killed_after_the_grace()
    {
        using var node = new TestNode();
        var stubborn = node.Submit(node.ResolveCommand(), command: ["/bin/sh", "-c", "trap '' TERM; echo begun; while :; do sleep 1; done"]);
        var buffer = new byte[16];
        OutputChunk chunk;
        do
        {
            Assert.Null(node.Tasks.ReadOutput(stubborn.Id, 0, OutputStream.Stdout, 0, buffer, out chunk));
        }
        while (chunk.Total == 0 && !chunk.Ended);

        Assert.Null(node.Tasks.Cancel(stubborn.Id, 0));
        var ending = await stubborn.WaitAsync();
        Assert.Equal((TaskState.Cancelled, "begun\n"), (ending.State, ending.Stdout));
    }

    [Fact]
    [Trait("Promise", "TR3")]
    public async Task A_call_over_its_time_ends_and_its_worker_meets_no_other_call()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        var late = node.Submit(node.Resolve("endless"), timeoutMs: 50);
        var behind = Enumerable.Range(0, 50).Select(_ => node.Submit(node.Resolve("noop"))).ToArray();
        Assert.Equal((TaskState.TimedOut, CauseType.Timeout), ((await late.WaitAsync()).State, late.Cause.Type));
        foreach (var ending in behind)
        {
            Assert.Equal(TaskState.Succeeded, (await ending.WaitAsync()).State);
        }
    }

    [Fact]
    [Trait("Promise", "IM2")]
    public async Task Reuse_never_means_a_fresh_worker_for_each_task()
    {
        using var node = new TestNode(new RuntimeOptions { CallConcurrency = 8, MaxWorkersPerPool = 4 });
        var count = node.Resolve("count_calls", WorkerReuse.Never);
        foreach (var ending in Enumerable.Range(0, 40).Select(_ => node.Submit(count)).ToArray())
        {
            Assert.Equal(1, BitConverter.ToInt64((await ending.WaitAsync()).Output));
        }
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Crashes_end_only_themselves_and_the_pool_grows_again()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 2 });
        var (crash, noop) = (node.Resolve("crash"), node.Resolve("noop"));
        var endings = Enumerable.Range(0, 60).Select(i => (i, node.Submit(i % 3 == 0 ? crash : noop))).ToArray();
        foreach (var (i, ending) in endings)
        {
            await ending.WaitAsync();
            Assert.Equal(i % 3 == 0 ? (TaskState.Failed, CauseType.Signal) : (TaskState.Succeeded, CauseType.Exit), (ending.State, ending.Cause.Type));
        }
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public async Task A_lost_spawner_ends_what_ran_and_its_successor_runs_what_waits()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 2 });
        var running = Enumerable.Range(0, 2).Select(_ => node.Submit(node.Resolve("endless"))).ToArray();
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "1000"]);
        await UntilRunningAsync(node, [.. running, command]);
        var waiting = Enumerable.Range(0, 100).Select(_ => node.Submit(node.Resolve("noop"))).ToArray();
        node.KillSpawner();
        foreach (var ending in (Ending[])[.. running, command])
        {
            Assert.Equal((TaskState.Failed, CauseType.WorkerLost), ((await ending.WaitAsync()).State, ending.Cause.Type));
        }

        node.StartSpawner();
        foreach (var ending in waiting)
        {
            Assert.Equal(TaskState.Succeeded, (await ending.WaitAsync()).State);
        }

        Assert.Equal(1, node.Statistic("spawners_lost"));
        Assert.All(running, e => Assert.Equal(1, e.Times));
    }

    [Fact]
    public async Task A_spawner_outlives_the_thread_that_started_it()
    {
        TestNode? made = null;
        var starter = new Thread(() => made = new TestNode());
        starter.Start();
        starter.Join();
        using var node = made!;

        // Its end is told as any thread's that the spawner's parent has: to the parent's children, if they asked for it, before the second of these began.
        for (var i = 0; i < 2; i++)
        {
            var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "0.1"]);
            Assert.Equal(TaskState.Succeeded, (await command.WaitAsync()).State);
        }

        Assert.Equal(0, node.Statistic("spawners_lost"));
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task A_stop_ends_everything_once_with_shutdown()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        var endless = node.Submit(node.Resolve("endless"));
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "1000"]);
        await UntilRunningAsync(node, [endless, command]);
        var queued = Enumerable.Range(0, 1000).Select(_ => node.Submit(node.Resolve("noop"))).ToArray();
        node.Stop();
        foreach (var ending in (Ending[])[endless, command, .. queued])
        {
            Assert.True(ending.HasEnded); // told before Stop returned
            Assert.Equal((1, CauseType.Shutdown), (ending.Times, ending.Cause.Type));
        }

        var late = node.Tasks.Submit(new TaskSubmission { Target = node.ResolveCommand(), Level = 32 }, null, 0, out _);
        Assert.Equal(ErrorCode.Unavailable, late?.Code);
    }

    private static async Task UntilRunningAsync(TestNode node, Ending[] endings)
    {
        foreach (var ending in endings)
        {
            TaskSnapshot? snapshot;
            do
            {
                await Task.Yield();
                Assert.Null(node.Tasks.Get(ending.Id, 0, out snapshot));
            }
            while (snapshot!.State < TaskState.Running);
        }
    }

    private static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
