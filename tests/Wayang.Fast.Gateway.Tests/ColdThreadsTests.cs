using System.Collections.Concurrent;
using Wayang.Fast.Gateway.MessagePackRpc;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>The threads of cold operations by themselves: none is lost, none runs twice, no more threads than may be.</summary>
[Trait("Promise", "PO4")]
public sealed class ColdThreadsTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task One_thread_runs_them_in_order_and_those_that_wait_when_it_is_disposed_of_as_well()
    {
        using var release = new ManualResetEventSlim();
        var (order, last) = (new ConcurrentQueue<int>(), new TaskCompletionSource());
        var cold = new ColdThreads(1);
        using (cold)
        {
            Assert.True(cold.Queue(new Item(() => release.Wait(s_patience))));
            for (var i = 0; i < 10; i++)
            {
                var number = i;
                Assert.True(cold.Queue(new Item(() =>
                {
                    order.Enqueue(number);
                    if (number == 9)
                    {
                        last.SetResult();
                    }
                })));
            }

            Assert.InRange(cold.Waiting, 10, 11); // the first may not have begun yet
        }

        Assert.False(cold.Queue(new Item(static () => Assert.Fail("it was refused"))));
        release.Set();
        await last.Task.WaitAsync(s_patience, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, 10), order);
        Assert.Equal(1, cold.Threads);
    }

    [Fact]
    public void Each_runs_once_whoever_queues_them_while_threads_fall_asleep_and_wake()
    {
        const int Writers = 4, Each = 5_000, Most = 3;
        using var cold = new ColdThreads(Most);
        using var all = new CountdownEvent(Writers * Each);
        var runs = new int[Writers * Each];
        Parallel.For(0, Writers, writer =>
        {
            for (var i = 0; i < Each; i++)
            {
                var place = (writer * Each) + i;
                Assert.True(cold.Queue(new Item(() =>
                {
                    Interlocked.Increment(ref runs[place]);
                    all.Signal();
                })));
                if (i % 50 == 0)
                {
                    Thread.Yield(); // they run dry meanwhile
                }
            }
        });
        Assert.True(all.Wait(s_patience), $"{all.CurrentCount} never ran");
        Assert.All(runs, static count => Assert.Equal(1, count));
        Assert.InRange(cold.Threads, 1, Most);
        Assert.Equal(0, cold.Waiting);
    }

    private sealed class Item(Action run) : IThreadPoolWorkItem
    {
        public void Execute() => run();
    }
}
