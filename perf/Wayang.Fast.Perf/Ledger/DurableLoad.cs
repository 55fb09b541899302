using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Ledger;

/// <summary>Durable submissions into a node of this process.</summary>
internal sealed class DurableLoad(PerfNode node, CallTarget target) : ISubmissionReceipt, ITaskObserver, IDisposable
{
    private static readonly TaskTerms s_durable = new() { Durable = true };
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private readonly byte[] _data = new byte[48];
    private readonly ManualResetEventSlim _ended = new(initialState: false);
    private int _toSubmit;
    private int _toEnd;
    private long _lastStored;
    private string? _failure;

    /// <summary>Submissions that were stored a second, so many waiting for it at any time. Their tasks run and end meanwhile.</summary>
    public double MeasureRate(int window, int submissions)
    {
        _ended.Reset();
        _toEnd = submissions;
        _toSubmit = submissions - window;
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < window; i++)
        {
            Submit();
        }

        AwaitEnds();
        return submissions / Stopwatch.GetElapsedTime(start, Volatile.Read(ref _lastStored)).TotalSeconds;
    }

    /// <summary>Median nanoseconds until one submission returns to its caller, stored; each after the one before has ended.</summary>
    public double MeasureLatency(int submissions)
    {
        var samples = new double[submissions];
        for (var i = 0; i < submissions; i++)
        {
            _ended.Reset();
            _toEnd = 1;
            var start = Stopwatch.GetTimestamp();
            var id = SubmitAndWait();
            samples[i] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            AwaitEnd(id);
        }

        Array.Sort(samples);
        return samples[submissions / 2];
    }

    /// <summary>One submission after the other until it is told to stop.</summary>
    /// <returns>How many were stored.</returns>
    public int RunUntil(CancellationToken stop)
    {
        var stored = 0;
        for (; !stop.IsCancellationRequested; stored++)
        {
            SubmitAndWait();
        }

        return stored;
    }

    public void OnStored(TaskId id, long token)
    {
        Volatile.Write(ref _lastStored, Stopwatch.GetTimestamp());
        if (node.Runtime.Tasks.Wait(id, 0, this, 0) is { } error)
        {
            Fail(error.Message);
        }

        if (Interlocked.Decrement(ref _toSubmit) >= 0)
        {
            Submit();
        }
    }

    public void OnRefused(OperationError refusal, long token) => Fail(refusal.Message);

    public void OnTaskEnded(ITaskView task, long token)
    {
        if (task.State != TaskState.Succeeded)
        {
            Fail($"a durable task ended {task.State}: {task.Cause}");
        }

        if (Interlocked.Decrement(ref _toEnd) == 0)
        {
            _ended.Set();
        }
    }

    public void OnBatchEnd()
    {
    }

    public void Dispose() => _ended.Dispose();

    private TaskId SubmitAndWait()
    {
        var submission = new TaskSubmission { Target = target, Data = _data, Level = 32, TimeoutMs = 60_000, Terms = s_durable };
        return node.Runtime.Tasks.Submit(submission, observer: null, 0, out var id) is { } error ? throw new PerfException($"not stored: {error.Message}") : id;
    }

    private void AwaitEnd(TaskId id)
    {
        if (node.Runtime.Tasks.Wait(id, 0, this, 0) is { } error)
        {
            throw new PerfException(error.Message);
        }

        AwaitEnds();
    }

    private void AwaitEnds()
    {
        if (!_ended.Wait(s_patience) || _failure is not null)
        {
            throw new PerfException(_failure ?? $"{_toEnd} durable tasks have not ended after {s_patience}");
        }
    }

    private void Submit()
    {
        var submission = new TaskSubmission { Target = target, Data = _data, Level = 32, TimeoutMs = 60_000, Terms = s_durable, Receipt = this };
        if (node.Runtime.Tasks.Submit(submission, observer: null, 0, out _) is { } error)
        {
            Fail(error.Message);
        }
    }

    private void Fail(string why)
    {
        _failure ??= why;
        _ended.Set();
    }
}
