using System.Diagnostics;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Durable;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Handover;

/// <summary>
/// Another node's call that goes on here, or may. It remembers where it stands and what it leaves until its home says that it needs nothing of it any more. What the runtime tells it comes on the
/// runtime's threads; short lock.
/// </summary>
internal sealed class Visit(VisitOffer offer, int tenant, DurableSpec spec) : IVisit, ITaskObserver, IStreamObserver
{
    private static readonly TimeSpan s_saving = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private VisitState _state;
    private long _number;
    private long _adoption = -1;
    private long _begun;
    private VisitEnd? _end;
    private string? _reason;
    private byte[][]? _streams;
    private CallFile? _back;
    private long _heard = Stopwatch.GetTimestamp();
    private byte[]? _saved;
    private long _savedTimes;
    private long _savedAt;
    private int _watching;

    /// <summary>Called when its call could not go on here, or the node stops under it: the record is to be ended. Set before it is adopted.</summary>
    public Action<Visit>? Over { get; set; }

    public VisitOffer Offer => offer;

    public string Home => offer.Peer;

    public TaskId Task => offer.Task;

    public int Tenant => tenant;

    public DurableSpec Spec => spec;

    /// <summary>It does not go on from a file: its next attempt begins here.</summary>
    public bool BeginsAnew => spec.Terms.Migration != TaskMigration.Transparent;

    /// <summary>What that attempt begins from, until it has; and what it leaves with. Null: neither. Changed with its turn.</summary>
    public CallBeginning? Beginning { get; set; }

    /// <summary>It was asked to give its place back, and this is its answer; null: it was not. Changed with its turn.</summary>
    public Task<OperationError?>? Yielding { get; set; }

    /// <summary>Whose worker it will get, as this node is when it is offered.</summary>
    public required WorkerPool Pool { get; init; }

    /// <summary>Held while messages about it change it: they come one at a time.</summary>
    public SemaphoreSlim Turn { get; } = new(1, 1);

    /// <summary>The connection on which its call comes; null: it has come, or does not yet. Changed with its turn.</summary>
    public Stream? Arriving { get; set; }

    /// <summary>Made for it before anything of it came; null: none was, or what comes has it. Changed with its turn.</summary>
    public Standby? Awaiting { get; set; }

    /// <summary>On which it goes home when it is written down for it, or went; null: its home has not opened one. Changed with its turn.</summary>
    public CallSender? WayHome { get; set; }

    /// <summary>Where it goes on; null: not known yet, or its record has it.</summary>
    public TaskCheckpoint? File { get; set; }

    /// <summary>The number of the news that it is adopted; -1: it is not.</summary>
    public long Adoption
    {
        get
        {
            lock (_lock)
            {
                return _adoption;
            }
        }
    }

    /// <summary>Its home was heard of it.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Volatile.Read(ref _heard));

    public VisitState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    /// <summary>The file that it goes back with.</summary>
    public CallFile? Back
    {
        get
        {
            lock (_lock)
            {
                return _back;
            }
        }
    }

    public void Hear() => Volatile.Write(ref _heard, Stopwatch.GetTimestamp());

    /// <summary>Of an ended one; null: it has not ended.</summary>
    public byte[]? StreamOf(int index)
    {
        lock (_lock)
        {
            return _streams?[index];
        }
    }

    /// <summary>What its call had saved by the last news; null: nothing since it came.</summary>
    public byte[]? Saved
    {
        get
        {
            lock (_lock)
            {
                return _saved;
            }
        }
    }

    /// <summary>What it came with is its home's already.</summary>
    public void CameWithSaved() => _savedTimes = 1;

    /// <summary>Copies what its call has saved since the last time, once a second at most: a call may save as often as it likes, and its home takes no more.</summary>
    /// <param name="life">Of its record, which is held.</param>
    public void KeepSaved(TaskLife life)
    {
        var times = life.Facts().Saved?.Times ?? 0;
        lock (_lock)
        {
            if (times <= _savedTimes || (_savedAt != 0 && Stopwatch.GetElapsedTime(_savedAt) < s_saving) || life.Saved is not { } saved || !saved.TryHold())
            {
                return; // it saves anew just now: the next look finds that
            }

            (_saved, _savedTimes, _savedAt) = (saved.Bytes.ToArray(), times, Stopwatch.GetTimestamp());
            saved.Release();
        }
    }

    /// <summary>Copies what its call has said, before its record is no more.</summary>
    public void KeepStreams(ITaskView task)
    {
        var streams = Copy(task);
        lock (_lock)
        {
            _streams = streams;
        }
    }

    private static byte[][] Copy(ITaskView task) => [task.Output.ToArray(), task.Stdout.ToArray(), task.Stderr.ToArray(), task.Log.ToArray()];

    /// <returns>False: it is over, and stays what it was.</returns>
    public bool TryEnter(VisitState state, string? reason = null, CallFile? back = null)
    {
        lock (_lock)
        {
            if (_state is VisitState.Ended or VisitState.Returned)
            {
                return false;
            }

            (_state, _reason, _back) = (state, reason, back);
            Tell();
            _adoption = state == VisitState.Adopted ? _number : _adoption;
            return true;
        }
    }

    public void OnBegun()
    {
        lock (_lock)
        {
            if (_state == VisitState.Adopted)
            {
                _begun = Stopwatch.GetTimestamp();
                _state = VisitState.Begun;
                Tell();
            }
        }
    }

    public void OnReturned(string why)
    {
        if (TryEnter(VisitState.Returned, $"it could not go on there: {why}"))
        {
            Over?.Invoke(this);
        }
    }

    /// <summary>
    /// Its end goes to its home, except where this node failed it: a call of profile compute has no effect beside its result, so that it goes on at home from where it left as if
    /// nothing had been. Of one that begins anew the loss of its worker is an end like others, after which its terms may want another attempt.
    /// </summary>
    public void OnTaskEnded(ITaskView task, long token)
    {
        if (task.Cause.Type == CauseType.Shutdown || (task.Cause.Type == CauseType.WorkerLost && !BeginsAnew))
        {
            TryEnter(VisitState.Returned, task.Cause.Type == CauseType.Shutdown ? "the node was stopped" : $"its worker was lost there: {task.Cause.Detail}");
            return;
        }

        var streams = Copy(task); // megabytes, perhaps: others must not wait at the lock for them
        lock (_lock)
        {
            if (_state is VisitState.Ended or VisitState.Returned)
            {
                return;
            }

            _end = new VisitEnd(task.State, task.Cause) { PeakMemoryBytes = task.PeakMemoryBytes, CpuMicroseconds = task.CpuMicroseconds };
            _streams = streams;
            _state = VisitState.Ended;
            Tell();
        }
    }

    public void OnBatchEnd()
    {
        // Each is told by itself.
    }

    public void OnOutput()
    {
        Volatile.Write(ref _watching, 0);
        lock (_lock)
        {
            Tell();
        }
    }

    /// <summary>True for the one caller who registers for its streams now.</summary>
    public bool TryBeginWatch() => Interlocked.Exchange(ref _watching, 1) == 0;

    /// <summary>Completes with the next news after <paramref name="known"/>; at once where there is some already.</summary>
    public Task NewsAfter(long known)
    {
        lock (_lock)
        {
            return _number > known ? System.Threading.Tasks.Task.CompletedTask : _news.Task;
        }
    }

    /// <param name="lengths">Of its streams now, where it has not ended.</param>
    /// <param name="progress">What it said last.</param>
    public VisitNews Describe(long[] lengths, TaskProgress? progress)
    {
        lock (_lock)
        {
            return new VisitNews(_number, _state, _streams is { } streams ? [.. streams.Select(static s => (long)s.Length)] : lengths, Report(progress))
            {
                GoesOnFor = _begun > 0 ? Stopwatch.GetElapsedTime(_begun) : TimeSpan.Zero,
                End = _end, Reason = _reason, FileBytes = _back?.Bytes ?? 0,
                Standing = _back is { StandsSince: > 0 and var since } ? Stopwatch.GetElapsedTime(since) : TimeSpan.Zero,
                SavedTimes = _saved is null ? 0 : _savedTimes, SavedBytes = _saved?.Length ?? 0,
            };
        }
    }

    private static byte[] Report(TaskProgress? progress) => progress is null ? [] : [(byte)(progress.Percent ?? 0xFF), .. Encoding.UTF8.GetBytes(progress.Text)];

    private void Tell()
    {
        _number++;
        var news = _news;
        _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        news.TrySetResult();
    }
}
