using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>
/// The streams of a task while it runs. A watch is told once: by the stream's writer, after bytes that it appended, or by the end.
/// Whoever registers looks at the stream afterwards, and a writer looks for watches after its bytes; both fence in between, so
/// one of the two sees the other.
/// </content>
public sealed partial class TaskLifecycle
{
    /// <summary>Copies a part of a stream; false when there is no task of this id and tenant.</summary>
    public bool ReadOutput(TaskId id, int tenant, OutputStream stream, long offset, Span<byte> buffer, out OutputChunk chunk)
    {
        chunk = default;
        if (!TryPin(id, out var record))
        {
            return false;
        }

        try
        {
            if (record.Tenant != tenant)
            {
                return false;
            }

            // Read before the bytes: "ended" promises that what was copied is all there will be.
            var ended = record.State >= TaskState.Succeeded;
            int count, total;
            long dropped;
            while (!record.TryCopy(stream, offset, buffer, out count, out total, out dropped))
            {
                Thread.SpinWait(1); // the bytes moved: rare, and bounded by the doublings of their first block
            }

            chunk = new OutputChunk(count, total, dropped, ended);
            return true;
        }
        finally
        {
            Unpin(record);
        }
    }

    /// <summary>An artifact of an ended task; false when there is no task of this id and tenant.</summary>
    public bool FindArtifact(TaskId id, int tenant, string name, out TaskArtifact? artifact, out bool ended)
    {
        artifact = null;
        ended = false;
        if (!TryPin(id, out var record))
        {
            return false;
        }

        ended = record.State >= TaskState.Succeeded;
        artifact = ended && record.Tenant == tenant ? record.Artifacts?.Find(name) : null;
        var visible = record.Tenant == tenant;
        Unpin(record);
        return visible;
    }

    /// <summary>
    /// Registers for the next bytes of a stream, or the end. Look at the stream afterwards: what was there before is not told. True for a
    /// task that has ended too, of which nothing will be told. False: there is no task of this id and tenant.
    /// </summary>
    public bool AddWatch(TaskId id, int tenant, OutputStream stream, IStreamObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        if (!TryPin(id, out var record))
        {
            return false;
        }

        try
        {
            return record.Tenant == tenant && Register(record, new StreamWatch(stream, observer));
        }
        finally
        {
            Unpin(record);
        }
    }

    /// <summary>Withdraws a watch; nothing happens when it was told already, or is about to be.</summary>
    public void RemoveWatch(TaskId id, IStreamObserver observer)
    {
        if (!TryPin(id, out var record))
        {
            return;
        }

        lock (LockOf(record))
        {
            TakeWatches(record, watch => ReferenceEquals(watch.Observer, observer));
        }

        Unpin(record);
    }

    /// <summary>The stream's writer has appended to it. Costs a fence when nobody watches.</summary>
    public void Appended(TaskRecord record, OutputStream stream)
    {
        ArgumentNullException.ThrowIfNull(record);
        Interlocked.MemoryBarrier();
        if (record.Watches is null)
        {
            return;
        }

        StreamWatch? taken;
        lock (LockOf(record))
        {
            taken = TakeWatches(record, watch => watch.Stream == stream);
        }

        for (; taken is not null; taken = taken.Next)
        {
            taken.Observer.OnOutput();
        }
    }

    private bool Register(TaskRecord record, StreamWatch watch)
    {
        lock (LockOf(record))
        {
            var word = Volatile.Read(ref record.Word);
            while (!RecordWord.HasEnded(word))
            {
                // The same flag as a waiter's: the end that sees it takes both lists under this lock.
                var seen = Interlocked.CompareExchange(ref record.Word, word | RecordWord.HasWaiters, word);
                if (seen == word)
                {
                    watch.Next = record.Watches;
                    record.Watches = watch;
                    break;
                }

                word = seen;
            }
        }

        Interlocked.MemoryBarrier();
        return true;
    }

    /// <summary>Takes those that <paramref name="wanted"/> chooses out of the list. Under the lock.</summary>
    private static StreamWatch? TakeWatches(TaskRecord record, Predicate<StreamWatch> wanted)
    {
        StreamWatch? taken = null;
        StreamWatch? kept = null;
        for (var watch = record.Watches; watch is not null;)
        {
            var next = watch.Next;
            if (wanted(watch))
            {
                watch.Next = taken;
                taken = watch;
            }
            else
            {
                watch.Next = kept;
                kept = watch;
            }

            watch = next;
        }

        record.Watches = kept;
        return taken;
    }
}
