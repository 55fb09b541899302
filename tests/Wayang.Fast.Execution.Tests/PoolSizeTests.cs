using System.Buffers.Binary;
using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Execution.Dispatch;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Pools that grow, shrink and are warmed, with real workers.</summary>
[Trait("Promise", "RA4")]
public sealed class PoolSizeTests
{
    /// <summary>
    /// The end of a call is told before the turn of the completion thread is over, in which its worker is not free to others yet. Here the
    /// next call is submitted by another thread at exactly that moment, each time.
    /// </summary>
    [Fact]
    public async Task A_caller_who_submits_as_soon_as_he_is_told_gets_his_worker_again()
    {
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 8 });
        using var caller = new PromptCaller(node, node.Resolve("echo"), calls: 300);
        Assert.Equal(300, await caller.RunAsync());
        Assert.Equal(1, node.Statistic("workers_started"));
    }

    [Fact]
    public async Task A_pool_grows_under_load_and_shrinks_after_it_late_and_by_parts()
    {
        const int holdSeconds = 1;
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 0, MaxWorkersPerPool = 6, WarmIdleSeconds = holdSeconds });
        var target = node.Resolve("until_cancelled");
        var busy = Enumerable.Range(0, 6).Select(_ => node.Submit(target)).ToArray();
        foreach (var call in busy)
        {
            await node.RunsAsync(call);
        }

        await TestNode.UntilAsync(() => Pool(node).Wanted == 6);
        Assert.Equal((6, 6, 0), (Pool(node).Workers, Pool(node).Busy, Pool(node).Idle));
        var since = Stopwatch.GetTimestamp();
        foreach (var call in busy)
        {
            Assert.Null(node.Tasks.Cancel(call.Id, 0));
            await call.WaitAsync();
        }

        await TestNode.UntilAsync(() => Pool(node).Workers < 6);
        Assert.True(Stopwatch.GetElapsedTime(since).TotalSeconds >= holdSeconds, "a worker left before its pool had wanted fewer for the hold time");
        Assert.Equal(6, node.Statistic("workers_started"));
        await TestNode.UntilAsync(() => Pool(node).Workers == 0);
        for (var i = 0; i < 3; i++)
        {
            var again = node.Submit(node.Resolve("noop"));
            await TestNode.UntilAsync(() => again.HasEnded, () => $"{node.Runtime.Monitor.Explain(again.Id, 0)?.Text} {Pool(node)} {string.Join(' ', node.Tasks.ReadStatistics().Values)}");
            await TestNode.UntilAsync(() => Pool(node).Workers == 0);
        }
    }

    [Fact]
    public async Task Under_pressure_no_pool_grows_and_the_explanation_says_so()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 4 });
        node.Runtime.Faults.Arm(FaultPoint.MemoryPressed);
        await TestNode.UntilAsync(() => node.Statistic("memory_pressed") == 1);
        var target = node.Resolve("until_cancelled");
        var calls = Enumerable.Range(0, 3).Select(_ => node.Submit(target)).ToArray();
        await node.RunsAsync(calls[0]);
        await TestNode.UntilAsync(() => Pool(node) is { Wanted: 1, Queued: 2 }); // it was looked at
        Assert.Equal((1, 0), (Pool(node).Workers, Pool(node).Starting));
        Assert.Equal(1, node.Statistic("workers_started"));
        Assert.Contains("short of memory", node.Runtime.Monitor.Explain(calls[1].Id, 0)!.Text, StringComparison.Ordinal);

        node.Runtime.Faults.Disarm(FaultPoint.MemoryPressed);
        await node.RunsAsync(calls[1]);
        await node.RunsAsync(calls[2]);
        foreach (var call in calls)
        {
            Assert.Null(node.Tasks.Cancel(call.Id, 0));
            Assert.Equal(TaskState.Cancelled, (await call.WaitAsync()).State);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_expected_at_this_minute_is_warm_before_it_comes(bool warmUp)
    {
        const int expected = 3;
        using var node = new TestNode(new RuntimeOptions { SpareWorkers = 1, MaxWorkersPerPool = 4, WarmUp = warmUp });
        var hash = node.Tasks.ListImages(0).Single(static i => i.Name == "test").Image;
        Assert.Null(node.Runtime.RestoreRhythms(AllDay(new RhythmKey(0, hash, "compute"), expected)));
        var target = node.Resolve("until_cancelled");
        if (!warmUp)
        {
            await TestNode.UntilAsync(() => Pool(node) is { Workers: 1, Wanted: 1 }); // the spare
            Assert.Equal(0, Pool(node).Warmed);
            return;
        }

        await TestNode.UntilAsync(() => Pool(node) is { Workers: expected, Wanted: expected });
        Assert.InRange(Pool(node).Warmed, 1, expected);
        var calls = Enumerable.Range(0, expected).Select(_ => node.Submit(target)).ToArray();
        foreach (var call in calls)
        {
            await node.RunsAsync(call);
        }

        await TestNode.UntilAsync(() => Pool(node) is var pool && pool.WarmedUsed == pool.Warmed);
        foreach (var call in calls)
        {
            Assert.Null(node.Tasks.Cancel(call.Id, 0));
            await call.WaitAsync();
        }

        Assert.NotEmpty(node.Runtime.SerializeRhythms());
    }

    internal static PoolStatus Pool(TestNode node) => Assert.Single(node.Runtime.Monitor.ListPools(0), static p => p.Kind == "call");

    private static byte[] AllDay(RhythmKey key, int need)
    {
        var cells = new byte[HourRhythm.SerializedBytes];
        for (var i = 0; i < cells.Length; i += 9)
        {
            BinaryPrimitives.WriteSingleLittleEndian(cells.AsSpan(i), need);
            cells[i + 8] = 10;
        }

        var rhythms = new HourRhythms(1);
        Assert.True(rhythms.Get(key).TryRead(cells));
        return rhythms.Serialize();
    }

    /// <summary>Tells another thread of each end, and keeps the completion thread in its turn until that has submitted the next call.</summary>
    private sealed class PromptCaller(TestNode node, CallTarget target, int calls) : ITaskObserver, IDisposable
    {
        private readonly SemaphoreSlim _told = new(1);
        private readonly SemaphoreSlim _submitted = new(0);
        private readonly TaskCompletionSource<int> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _ended;

        public Task<int> RunAsync()
        {
            var thread = new Thread(Submit) { IsBackground = true };
            thread.Start();
            return _done.Task.WaitAsync(TestNode.Patience);
        }

        public void OnTaskEnded(ITaskView task, long token)
        {
            _told.Release();
            if (++_ended < calls)
            {
                _submitted.Wait(TestNode.Patience);
                return;
            }

            _done.TrySetResult(_ended);
        }

        public void OnBatchEnd()
        {
        }

        public void Dispose()
        {
            _told.Dispose();
            _submitted.Dispose();
        }

        private void Submit()
        {
            for (var i = 0; i < calls; i++)
            {
                _told.Wait(TestNode.Patience);
                if (node.Tasks.Submit(new TaskSubmission { Target = target, Data = "x"u8, Level = 32 }, this, 0, out _) is { } refused)
                {
                    _done.TrySetException(new InvalidOperationException(refused.Message));
                    return;
                }

                if (i > 0)
                {
                    _submitted.Release();
                }
            }
        }
    }
}
