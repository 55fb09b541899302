using System.Buffers.Binary;
using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Workers that work and are replaced: nothing is lost, and nothing ends twice.</summary>
[Trait("Promise", "RA4")]
public sealed class RecycleTests
{
    [Theory]
    [InlineData(1)] // no room beside it: it leaves first
    [InlineData(3)]
    public async Task Workers_are_replaced_after_so_many_calls_under_load(int workers)
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = workers, CallConcurrency = 4, RecycleCalls = 100 });
        var echo = node.Resolve("echo");
        var all = new List<Ending>();
        while (node.Statistic("workers_recycled_calls") < 4)
        {
            var batch = Enumerable.Range(all.Count, 500).Select(i => node.Submit(echo, BitConverter.GetBytes(i))).ToArray();
            all.AddRange(batch);
            foreach (var call in batch)
            {
                await call.WaitAsync();
            }
        }

        for (var i = 0; i < all.Count; i++)
        {
            Assert.Equal((TaskState.Succeeded, i, 1), (all[i].State, BinaryPrimitives.ReadInt32LittleEndian(all[i].Output), all[i].Times));
        }

        Assert.Equal((0L, 0L), (node.Statistic("ended_workerlost"), node.Statistic("tasks_queued")));
        Assert.Equal(0, node.Statistic("slots_in_use"));
        Assert.InRange(PoolSizeTests.Pool(node).Recycled, 4, long.MaxValue);
    }

    [Fact]
    public async Task An_old_worker_leaves_when_another_is_there_and_its_call_ends()
    {
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 2, RecycleAgeSeconds = 1 });
        var call = node.Submit(node.Resolve("until_cancelled"));
        await node.RunsAsync(call);
        await TestNode.UntilAsync(() => Leaving(node) is { InFlight: 1 });
        var process = Leaving(node)!.ProcessId;
        Assert.Contains(node.Runtime.Monitor.ListWorkers(0, 10), w => w.State is "idle" or "busy" && w.ProcessId != process); // the other one was there first

        // It takes no call any more, and what it has goes on.
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("noop")).WaitAsync()).State);
        Assert.Equal(TaskState.Running, node.StateOf(call));
        Assert.Equal(1, Leaving(node)?.Calls);
        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        Assert.Equal((TaskState.Cancelled, 1), ((await call.WaitAsync()).State, call.Times));
        await TestNode.UntilAsync(() => node.Runtime.Monitor.ListWorkers(0, 10).All(w => w.ProcessId != process));
        Assert.Equal(0, node.Statistic("slots_in_use"));
    }

    [Fact]
    public async Task A_worker_that_is_killed_while_it_is_being_replaced_loses_its_call_once()
    {
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 2, RecycleAgeSeconds = 1 });
        var call = node.Submit(node.Resolve("until_cancelled"));
        await node.RunsAsync(call);
        await TestNode.UntilAsync(() => Leaving(node) is { InFlight: 1 });
        using (var process = Process.GetProcessById(Leaving(node)!.ProcessId))
        {
            process.Kill();
        }

        Assert.Equal((TaskState.Failed, CauseType.WorkerLost), ((await call.WaitAsync()).State, call.Cause.Type));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("noop")).WaitAsync()).State);
        }

        Assert.Equal(1, call.Times);
        Assert.Equal(0, node.Statistic("slots_in_use"));
    }

    private static WorkerStatus? Leaving(TestNode node) => node.Runtime.Monitor.ListWorkers(0, 10).FirstOrDefault(static w => w.State == "leaving");
}
