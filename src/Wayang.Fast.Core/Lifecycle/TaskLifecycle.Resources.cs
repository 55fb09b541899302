using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>What ends teach and give back.</content>
public sealed partial class TaskLifecycle
{
    // SYNC POINT: bytes that ended tasks had been lent; added by the completion thread, taken by the dispatch owner.
    private long _returnedBytes;

    /// <summary>Memory came back that <see cref="TakeReturnedMemory"/> gives. Any thread.</summary>
    public bool HasReturnedMemory => Volatile.Read(ref _returnedBytes) != 0;

    /// <summary>Bytes that were lent to tasks that have ended since the last call. Dispatch owner only.</summary>
    public long TakeReturnedMemory() => Interlocked.Exchange(ref _returnedBytes, 0);

    /// <summary>Where results of pure tasks are kept. Set once by the composition before the first task.</summary>
    public ResultCache Results { get; set; } = new(0);

    /// <summary>Ends a task that waits with the result of an earlier one. Completion thread only.</summary>
    /// <returns>False when it had ended.</returns>
    public bool EndCached(TaskRecord record, CachedResult result)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(result);
        if (!Drop(record)) // the scheduler never saw it
        {
            return false;
        }

        record.FromCache = true;
        record.Output.Set(result.Output);
        Fill(record.Stdout, result.Stdout);
        Fill(record.Stderr, result.Stderr);
        return End(record, TaskState.Succeeded, new TaskCause(CauseType.Exit));
    }

    private static void Fill(StreamBuffer stream, byte[] bytes)
    {
        if (bytes.Length > 0)
        {
            stream.AppendBounded(bytes, int.MaxValue);
        }
    }

    private void Keep(TaskRecord record)
    {
        if (!record.FromCache && record.State == TaskState.Succeeded && record.Cause is { Type: CauseType.Exit, Value: 0 }
            && record.StdoutDropped == 0 && record.StderrDropped == 0)
        {
            ITaskView view = record;
            Results.Add(record.Tenant, record.ResultKey!, new CachedResult(view.Output.ToArray(), view.Stdout.ToArray(), view.Stderr.ToArray()));
        }
    }

    /// <summary>Of an attempt that another one follows: its memory goes back, and one that ran out of it gets more the next time.</summary>
    private void LearnAttempt(TaskRecord record, in TaskCause cause)
    {
        if (cause.Type == CauseType.OutOfMemory && record.Type is { } type)
        {
            LearnOutOfMemory(record, type);
        }

        ReturnMemory(record);
    }

    private static void LearnOutOfMemory(TaskRecord record, TaskType type) =>
        type.LearnOutOfMemory(Math.Max(record.Reservation.Bytes, (long)Math.Min(record.PeakMemoryBytes, long.MaxValue)));

    private void ReturnMemory(TaskRecord record)
    {
        if (record.TakeLent() is not 0 and var lent)
        {
            Interlocked.Add(ref _returnedBytes, lent);
        }
    }

    /// <summary>Only what ran to an end of its own says what tasks of its type need.</summary>
    private static void Learn(TaskRecord record)
    {
        var type = record.Type!;
        var cause = record.Cause.Type;
        if (cause == CauseType.OutOfMemory)
        {
            LearnOutOfMemory(record, type);
        }
        else if (record.Running != 0 && record.State is TaskState.Succeeded or TaskState.Failed or TaskState.TimedOut
            && cause is not (CauseType.WorkerLost or CauseType.NodeLost or CauseType.SandboxViolation))
        {
            type.Learn(record.RunMicroseconds, record.PeakMemoryBytes, record.CpuMicroseconds);
        }
    }
}
