using System.Buffers.Binary;
using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Who runs next, and in which process.</summary>
public sealed class PoolTests
{
    [Fact]
    [Trait("Promise", "PS1")]
    public async Task With_one_slot_the_highest_level_runs_first_and_equals_in_order()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        await node.PutAsync("hostile", Plugins.Hostile);
        await node.PutAsync("good", Plugins.Good);
        var blocker = node.Begin(await node.FunctionAsync("hostile", "wait_cancelled"), [], out var blocked);
        var names = await node.FunctionAsync("hostile", "lethal_names");
        await LiveNode.UntilAsync(() => node.StateOf(blocker) == TaskState.Running, "the slot is taken");
        byte[] levels = [32, 8, 40, 0, 32, 55, 24, 40, 31, 33];
        var order = new EndOrder();
        for (var i = 0; i < levels.Length; i++)
        {
            var submission = new TaskSubmission { Target = names, Level = levels[i] };
            Assert.Null(node.Tasks.Submit(submission, order, i, out _));
        }

        // A full pool does not hold up another one.
        Assert.Equal(TaskState.Succeeded, (await node.CallAsync(await node.FunctionAsync("good", "noop"), level: 0)).State);
        Assert.Empty(order.Ended);
        node.Cancel(blocker);
        Assert.Equal(TaskState.Cancelled, (await blocked.Ended.WaitAsync(LiveNode.Patience)).State);
        await LiveNode.UntilAsync(() => order.Ended.Count == levels.Length, "all ended");
        var expected = Enumerable.Range(0, levels.Length).OrderByDescending(i => levels[i]).ThenBy(static i => i).Select(static i => (long)i);
        Assert.Equal(expected, order.Ended);
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task Warm_worker_keeps_its_process_and_a_fresh_one_is_asked_for_each_time()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        await node.PutAsync("good", Plugins.Good);
        var warm = await node.FunctionAsync("good", "count_calls");
        var fresh = await node.FunctionAsync("good", "count_calls", reuse: WorkerReuse.Never);
        for (ulong i = 1; i <= 20; i++)
        {
            Assert.Equal(i, Number(await node.CallAsync(warm)));
            Assert.Equal(1UL, Number(await node.CallAsync(fresh)));
        }
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task Tenants_never_share_a_worker()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        var counters = new List<CallTarget>();
        for (var tenant = 0; tenant < 4; tenant++)
        {
            await node.PutAsync("good", Plugins.Good, tenant);
            counters.Add(await node.FunctionAsync("good", "count_calls", tenant));
        }

        for (ulong i = 1; i <= 10; i++)
        {
            foreach (var counter in counters)
            {
                Assert.Equal(i, Number(await node.CallAsync(counter)));
            }
        }
    }

    [Fact]
    [Trait("Promise", "IM3")]
    public async Task Tasks_of_another_tenant_are_not_seen()
    {
        using var node = new LiveNode();
        await node.PutAsync("hostile", Plugins.Hostile, 1);
        var id = node.Begin(await node.FunctionAsync("hostile", "wait_cancelled", 1), [], out var waiter);
        Assert.NotNull(node.Tasks.Cancel(id, 2));
        Assert.NotNull(node.Tasks.Get(id, 2, out _));
        Assert.NotNull(node.Tasks.Wait(id, 2, new EndWaiter(), 0));
        node.Cancel(id, 1);
        Assert.Equal(TaskState.Cancelled, (await waiter.Ended.WaitAsync(LiveNode.Patience)).State);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Queued_task_is_cancelled_without_having_run()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        await node.PutAsync("hostile", Plugins.Hostile);
        var wait = await node.FunctionAsync("hostile", "wait_cancelled");
        var first = node.Begin(wait, [], out var running);
        await LiveNode.UntilAsync(() => node.StateOf(first) == TaskState.Running, "the slot is taken");
        var second = node.Begin(wait, [], out var queued);
        node.Cancel(second);
        var end = await queued.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Cancelled, Stderr.Length: 0 }, end.ToString());
        Assert.Equal(TaskState.Running, node.StateOf(first));
        node.Cancel(first);
        await running.Ended.WaitAsync(LiveNode.Patience);
    }

    private static ulong Number(EndedTask end)
    {
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        return BinaryPrimitives.ReadUInt64LittleEndian(end.Output);
    }

    private sealed class EndOrder : ITaskObserver
    {
        public ConcurrentQueue<long> Ended { get; } = new();

        public void OnTaskEnded(ITaskView task, long token) => Ended.Enqueue(token);

        public void OnBatchEnd()
        {
        }
    }
}
