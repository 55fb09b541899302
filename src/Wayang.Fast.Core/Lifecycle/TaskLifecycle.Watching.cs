using System.Diagnostics.CodeAnalysis;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Names of what a task runs; known to Execution.</summary>
public delegate void TargetNames(CallTarget? target, ushort function, out string image, out string name);

/// <content>Waiters, pins and copies: what any thread may do with a task that it knows by id.</content>
public sealed partial class TaskLifecycle
{
    /// <summary>Bytes of pinned memory for payloads that was ever made: no garbage of the young generations. Any thread.</summary>
    public long SlabBytesMade => _table.Slabs.BytesMade;

    /// <summary>Told of ends as they are published; set once by the composition. Null: nobody is.</summary>
    public IEndEvents? Events { get; set; }

    /// <summary>Other bounds for ended tasks from the next end or sweep on; the count never over that of the start. Any thread.</summary>
    public void ChangeRetention(RetentionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _retention.Change(options, _time);
    }

    /// <summary>
    /// Registers for the end of a task. True: registered, will be told once on the completion thread. False with
    /// <paramref name="ended"/>: it has ended; the record is pinned for the caller, who reads it and calls <see cref="Unpin"/>.
    /// False with null: no such task (any more).
    /// </summary>
    public bool AddWaiter(TaskId id, ITaskObserver observer, long token, out TaskRecord? ended)
    {
        ArgumentNullException.ThrowIfNull(observer);
        ended = null;
        if (!TryPin(id, out var record))
        {
            return false;
        }

        lock (LockOf(record))
        {
            var word = Volatile.Read(ref record.Word);
            while (!RecordWord.HasEnded(word))
            {
                var seen = Interlocked.CompareExchange(ref record.Word, word | RecordWord.HasWaiters, word);
                if (seen == word)
                {
                    // The end that sees the flag takes the list under this lock: it finds the node.
                    Append(record, new Waiter(observer, token));
                    Unpin(record);
                    return true;
                }

                word = seen;
            }
        }

        ended = record;
        return false;
    }

    /// <summary>
    /// Withdraws a waiter, or the observer of the submission. False: not registered, or the call has happened or is about to.
    /// </summary>
    public bool RemoveWaiter(TaskId id, ITaskObserver observer, long token)
    {
        ArgumentNullException.ThrowIfNull(observer);
        if (!TryPin(id, out var record))
        {
            return false;
        }

        var removed = TryRemoveFromList(record, observer, token)
            || (ReferenceEquals(record.Observer, observer) && record.Token == token && TryWithdraw(record));
        Unpin(record);
        return removed;
    }

    /// <summary>Keeps the record of a task from being recycled until <see cref="Unpin"/>: for short reads on any thread. Lock-free.</summary>
    public bool TryPin(TaskId id, [NotNullWhen(true)] out TaskRecord? record)
    {
        record = _table.At(id);
        if (record is null)
        {
            return false;
        }

        var word = Volatile.Read(ref record.Word);
        while (TaskTable.Matches(record, word, id))
        {
            if ((word & RecordWord.PinMask) == RecordWord.PinMask)
            {
                throw new InvalidOperationException($"slot {record.Slot} is pinned 4095 times: an Unpin is missing");
            }

            var seen = Interlocked.CompareExchange(ref record.Word, word + RecordWord.OnePin, word);
            if (seen == word)
            {
                return true;
            }

            word = seen;
        }

        record = null;
        return false;
    }

    public void Unpin(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        while (true)
        {
            if ((word & RecordWord.PinMask) == 0)
            {
                throw Defect(record, word, "unpin");
            }

            var next = word - RecordWord.OnePin;
            var seen = Interlocked.CompareExchange(ref record.Word, next, word);
            if (seen == word)
            {
                RecycleIfFree(record, next);
                return;
            }

            word = seen;
        }
    }

    /// <summary>A copy of what is known of a task; null when there is none of this id and tenant.</summary>
    public TaskSnapshot? Snapshot(TaskId id, int tenant, TargetNames names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (!TryPin(id, out var record))
        {
            return null;
        }

        try
        {
            return record.Tenant == tenant ? Copy(record, names) : null;
        }
        finally
        {
            Unpin(record);
        }
    }

    private static TaskSnapshot Copy(TaskRecord record, TargetNames names)
    {
        names(record.Target, record.Function, out var image, out var function);
        var state = record.State;
        var submitted = DateTimeOffset.FromUnixTimeMilliseconds(record.SubmittedUnixMs);
        DateTimeOffset? ended = null;
        if (state >= TaskState.Succeeded)
        {
            ended = submitted.AddMicroseconds(record.QueueMicroseconds + record.StartMicroseconds + record.RunMicroseconds);
        }

        return new TaskSnapshot(
            record.Id, record.Kind, state, record.Cause, record.Level, record.Tenant, image, function, submitted, ended,
            record.QueueMicroseconds, record.StartMicroseconds, record.RunMicroseconds, record.PeakMemoryBytes, record.CpuMicroseconds,
            record.Output.Length, record.StdoutBytes, record.StderrBytes)
        {
            Progress = record.Progress,
            Life = record.Life?.Facts(),
            LogBytes = record.LogBytes,
            Limits = record.Terms?.Limits,
            Artifacts = state >= TaskState.Succeeded ? record.Artifacts : null,
            Grants = record.Terms?.Grants?.Texts ?? [],
        };
    }

    private static void Append(TaskRecord record, Waiter waiter)
    {
        if (record.Waiters is not { } last)
        {
            record.Waiters = waiter;
            return;
        }

        while (last.Next is { } next)
        {
            last = next;
        }

        last.Next = waiter;
    }

    private static bool TryWithdraw(TaskRecord record)
    {
        var word = Volatile.Read(ref record.Word);
        while (!RecordWord.HasEnded(word) && (word & RecordWord.Withdrawn) == 0)
        {
            var seen = Interlocked.CompareExchange(ref record.Word, word | RecordWord.Withdrawn, word);
            if (seen == word)
            {
                return true;
            }

            word = seen;
        }

        return false;
    }

    private bool TryRemoveFromList(TaskRecord record, ITaskObserver observer, long token)
    {
        lock (LockOf(record))
        {
            Waiter? before = null;
            for (var waiter = record.Waiters; waiter is not null; before = waiter, waiter = waiter.Next)
            {
                if (!ReferenceEquals(waiter.Observer, observer) || waiter.Token != token)
                {
                    continue;
                }

                if (before is null)
                {
                    record.Waiters = waiter.Next;
                }
                else
                {
                    before.Next = waiter.Next;
                }

                return true;
            }

            return false;
        }
    }
}
