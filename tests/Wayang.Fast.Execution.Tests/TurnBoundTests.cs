using Wayang.Fast.Core.Ports;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>What a worker may bring into one turn of the completion thread.</summary>
[Trait("Promise", "IM3")]
public sealed class TurnBoundTests
{
    /// <summary>The thread stands still while a worker writes all of a long output, and then counts its turns until that is read.</summary>
    [Fact]
    public async Task A_turn_takes_one_chunk_of_a_worker_however_much_has_been_written()
    {
        const int chunks = 3;
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 2, SpinMicroseconds = 0, WarmIdleSeconds = 600 });
        var warm = Enumerable.Range(0, 2).Select(_ => node.Submit(node.Resolve("until_cancelled"))).ToArray();
        foreach (var call in warm)
        {
            await node.RunsAsync(call);
        }

        foreach (var call in warm)
        {
            Assert.Null(node.Tasks.Cancel(call.Id, 0));
            await call.WaitAsync();
        }

        Assert.Equal(2, node.Runtime.Workers.All().Count());

        using var stop = new Stop();
        Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = node.Resolve("noop"), Level = 32 }, stop, 0, out _));
        await stop.Entered.WaitAsync(TestNode.Patience);
        var large = node.Submit(node.Resolve("echo"), new byte[chunks * ChannelLayout.MaxChunkBytes]);
        await TestNode.UntilAsync(() => node.Runtime.Workers.All().All(static w => w.Writer.IsDrained && w.Writer.PeerSleeps));
        Assert.False(large.HasEnded);
        var before = node.Statistic("completion_turns");
        stop.Release();

        Assert.Equal(chunks * ChannelLayout.MaxChunkBytes, (await large.WaitAsync()).Output.Length);
        Assert.InRange(node.Statistic("completion_turns") - before, chunks, long.MaxValue);
    }

    /// <summary>Keeps the completion thread where it tells an end.</summary>
    private sealed class Stop : ITaskObserver, IDisposable
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _gate = new();

        public Task Entered => _entered.Task;

        public void OnTaskEnded(ITaskView task, long token)
        {
            _entered.SetResult();
            Assert.True(_gate.Wait(TestNode.Patience));
        }

        public void OnBatchEnd()
        {
        }

        public void Release() => _gate.Set();

        public void Dispose() => _gate.Dispose();
    }
}
