using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>The whole path of a small call, from the submission to the continuation that submits the next, allocates nothing.</summary>
[Trait("Promise", "PO3")]
[Collection(nameof(Alone))]
public sealed class AllocationTests(ITestOutputHelper output)
{
    private const int WarmUp = 150_000;
    private const int Measured = 200_000;
    private const double NoiseBytesPerTask = 0.1;

    [Theory]
    [InlineData(1, 48)]
    [InlineData(64, 48)]
    [InlineData(64, 0)]
    public async Task Steady_state_of_small_calls_allocates_nothing(int window, int bytes)
    {
        // Retention is part of the steady state: the oldest end is forgotten with each new one.
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 1, CallConcurrency = 64, RetainTasks = 10_000 });
        await node.PutAsync("good", Plugins.Good);
        var chain = new Chain(node.Tasks, await node.FunctionAsync("good", "echo"), new byte[bytes]);
        await chain.RunAsync(window, WarmUp).WaitAsync(LiveNode.Patience);
        var perTask = double.MaxValue;
        for (var attempt = 0; attempt < 3 && perTask >= NoiseBytesPerTask; attempt++)
        {
            // The runtime's own threads (tiering, timers of the test host) allocate now and then: the best of three is the path's.
            var done = chain.RunAsync(window, Measured);
            await done.WaitAsync(LiveNode.Patience);
            perTask = Math.Min(perTask, (double)chain.Allocated / Measured);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"window {window}, {bytes} B: {(double)chain.Allocated / Measured:F4} B per task"));
        }

        Assert.True(perTask < NoiseBytesPerTask, string.Create(CultureInfo.InvariantCulture, $"{perTask:F4} B per task"));
    }

    /// <summary>Keeps a window of calls in flight; each end submits the next on the completion thread.</summary>
    private sealed class Chain(ITaskService tasks, CallTarget target, byte[] data) : ITaskObserver
    {
        private TaskCompletionSource _done = new();
        private long _before;
        private int _left;
        private int _open;

        public long Allocated { get; private set; }

        public Task RunAsync(int window, int count)
        {
            _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _left = count - window;
            _open = window;
            _before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < window; i++)
            {
                Submit();
            }

            return _done.Task;
        }

        public void OnTaskEnded(ITaskView task, long token)
        {
            if (task.State != TaskState.Succeeded || task.Output.Length != data.Length)
            {
                _done.TrySetException(new InvalidOperationException($"{task.State} {task.Cause.Type} {task.Cause.Detail}"));
                return;
            }

            if (Interlocked.Decrement(ref _left) >= 0)
            {
                Submit();
            }
            else if (Interlocked.Decrement(ref _open) == 0)
            {
                Allocated = GC.GetTotalAllocatedBytes(precise: true) - _before;
                _done.TrySetResult();
            }
        }

        public void OnBatchEnd()
        {
        }

        private void Submit()
        {
            if (tasks.Submit(new TaskSubmission { Target = target, Data = data, Level = LiveNode.Normal }, this, 0, out _) is { } error)
            {
                _done.TrySetException(new InvalidOperationException(error.Message));
            }
        }
    }
}

/// <summary>Tests that count what the whole process does run beside no other.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
