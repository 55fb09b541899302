using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Dispatch;

/// <summary>The whole path in this process: submit, dispatch, a real sandboxed worker, completion. The next submission is made
/// by the end's continuation, on the completion thread, which is bound to the near processor.</summary>
internal sealed class InProcessTarget : DispatchTarget, ITaskObserver
{
    // Far longer than any wait while tasks flow, so nobody sleeps then; and short enough that both sides are asleep, and off
    // the processors, when the limit is measured.
    private const int SpinMicroseconds = 2_000;
    private const int SpinPauses = 100_000;
    private const int MaxWindow = 64;

    // Of the window, in the worker's ring, where nobody sleeps: so many fit into the smallest ring, and the rest waits in the scheduler. Where
    // both sides sleep, the more there are the fewer sleeps they cost.
    private const int SpinningConcurrency = 32;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3);

    // As the limits are measured: the mean of a batch, the median of the batches. A look at the clock per task would be part of
    // what it measures.
    private const int BatchTasks = 200;
    private readonly PerfNode _node;
    private readonly CallTarget _target;
    private readonly byte[] _payload = new byte[48];
    private readonly long[] _samples = new long[4_000_000 / BatchTasks];
    private readonly ManualResetEventSlim _done = new(initialState: false, spinCount: 0);
    private int _left;
    private int _inFlight;
    private int _bytes;
    private int _sampled;
    private int _inBatch;
    private long _last;
    private bool _sampling;
    private long _allocatedAt;
    private int _measureFrom;
    private string? _failure;

    /// <param name="context">Where everything is.</param>
    /// <param name="mode">How the rings are waited for.</param>
    /// <param name="ledger">Null: durable tasks are not kept.</param>
    public InProcessTarget(SuiteContext context, DispatchMode mode, ITaskLedger? ledger = null)
    {
        var spinning = mode == DispatchMode.Spin;
        var options = new RuntimeOptions
        {
            MaxWorkersPerPool = 1,
            SpareWorkers = 0,
            CallConcurrency = spinning ? SpinningConcurrency : MaxWindow,
            CompletionCpu = context.NearCpu,
            SpinMicroseconds = spinning ? SpinMicroseconds : 0,
            WorkerSpinPauses = spinning ? SpinPauses : 0,
            RetainTasks = 10_000,
        };
        if (mode == DispatchMode.Default)
        {
            options = new RuntimeOptions { MaxWorkersPerPool = 1, SpareWorkers = 0, CallConcurrency = MaxWindow };
        }

        _node = new PerfNode(context, options, pinned: mode != DispatchMode.Default, ledger: ledger);
        _target = mode == DispatchMode.Python ? _node.ResolvePython("def echo(data, ctx):\n    return data\n", "echo", []) : _node.Resolve("echo");
        Run(1, 20_000, sample: false);
        Run(MaxWindow, 200_000, sample: false);

        // Until the hot methods have been compiled for the last time: that goes by time as well as by calls.
        for (var warm = Stopwatch.StartNew(); spinning && warm.Elapsed < WarmUp;)
        {
            Run(1, 200_000, sample: false);
            Run(MaxWindow, 200_000, sample: false);
        }
    }

    /// <summary>The node that is measured.</summary>
    public PerfNode Node => _node;

    public override double MeasureRoundTrip(int bytes, int tasks)
    {
        _bytes = bytes;
        Run(1, tasks, sample: true);
        var samples = _samples.AsSpan(0, _sampled);
        samples.Sort();
        return samples[samples.Length / 2] * (1e9 / Stopwatch.Frequency) / BatchTasks;
    }

    public override double MeasureThroughput(int window, int tasks)
    {
        _bytes = _payload.Length;
        var start = Stopwatch.GetTimestamp();
        Run(window, tasks, sample: false);
        return tasks / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public override double MeasureAllocation(int tasks)
    {
        _bytes = _payload.Length;
        Run(MaxWindow, tasks, sample: false);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        _allocatedAt = 0;
        _measureFrom = 1000;
        Run(MaxWindow, tasks, sample: false);
        _measureFrom = 0;

        // To a hundredth of a byte: what is below belongs to the clock's ticks, not to the tasks.
        return Math.Round((double)Math.Max(0, _allocatedAt - before) / tasks, 2);
    }

    public void OnTaskEnded(ITaskView task, long token)
    {
        if (task.State != TaskState.Succeeded || task.Output.Length != _bytes)
        {
            _failure = $"{task.State} {task.Cause} {task.Output.Length} B";
        }

        if (_sampling && ++_inBatch == BatchTasks)
        {
            _inBatch = 0;
            var now = Stopwatch.GetTimestamp();
            _samples[_sampled++] = now - _last;
            _last = now;
        }

        _inFlight--;
        if (_left > 0)
        {
            SubmitOne();
        }
        else if (_inFlight == 0)
        {
            // Before the waiting thread is woken: what it allocates is not the path's.
            _allocatedAt = _measureFrom > 0 ? GC.GetTotalAllocatedBytes(precise: true) : 0;
            _done.Set();
        }
    }

    public void OnBatchEnd()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _node.Dispose();
            _done.Dispose();
        }
    }

    private void Run(int window, int tasks, bool sample)
    {
        _done.Reset();
        _left = tasks;
        _inFlight = 0;
        _sampled = 0;
        _inBatch = 0;
        _sampling = sample;

        // Only the first of a window is submitted from here; it starts the others from its continuation.
        _last = Stopwatch.GetTimestamp();
        var starter = new Starter(this, window);
        _node.Submit(_target, [], starter);
        if (!_done.Wait(TimeSpan.FromMinutes(5)))
        {
            throw new PerfException($"{_left} tasks left, {_inFlight} in flight after five minutes");
        }

        if (_failure is not null)
        {
            throw new PerfException($"a task failed: {_failure}");
        }
    }

    private void SubmitOne()
    {
        _left--;
        _inFlight++;
        _node.Submit(_target, _payload.AsSpan(0, _bytes), this);
    }

    private sealed class Starter(InProcessTarget owner, int window) : ITaskObserver
    {
        public void OnTaskEnded(ITaskView task, long token)
        {
            owner._last = Stopwatch.GetTimestamp();
            for (var i = 0; i < window && owner._left > 0; i++)
            {
                owner.SubmitOne();
            }
        }

        public void OnBatchEnd()
        {
        }
    }
}
