using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What is due first is started first.</summary>
[Trait("Promise", "PS1")]
public sealed class DeadlineOrderTests
{
    [Fact]
    public async Task Waiting_calls_are_started_by_their_deadlines()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0 });
        var target = node.Resolve("echo");
        var blocker = node.Submit(node.Resolve("until_cancelled"));
        await node.RunsAsync(blocker);
        var now = DateTimeOffset.UtcNow;
        var order = new Order();
        foreach (var minutes in new[] { 0, 30, 10, 0, 20 })
        {
            var terms = minutes == 0 ? null : new TaskTerms { Deadline = now.AddMinutes(minutes) };
            Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = target, Level = 32, Terms = terms }, order, minutes, out _));
        }

        Assert.Null(node.Tasks.Cancel(blocker.Id, 0));
        await TestNode.UntilAsync(() => order.Ended.Count == 5);
        Assert.Equal([10, 20, 30, 0, 0], order.Ended);
    }

    private sealed class Order : ITaskObserver
    {
        public ConcurrentQueue<long> Ended { get; } = new();

        public void OnTaskEnded(ITaskView task, long token)
        {
            Assert.Equal(TaskState.Succeeded, task.State);
            Ended.Enqueue(token);
        }

        public void OnBatchEnd()
        {
        }
    }
}
