using System.Numerics;
using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Workers;

/// <summary>Where a call worker stands, as the dispatch owner sees it.</summary>
internal enum WorkerPhase : byte
{
    /// <summary>Asked for; not yet READY.</summary>
    Starting,

    /// <summary>In the pool: takes calls when it has a free index.</summary>
    Serving,

    /// <summary>Being replaced: takes no more calls and ends what it has.</summary>
    Leaving,

    /// <summary>Takes no more calls: retired, or its process ended.</summary>
    Detached,
}

/// <summary>
/// A worker process that serves calls over a channel. Three threads touch it, each its own part: the dispatch owner
/// (indices, <see cref="Writer"/>, <see cref="Uploads"/>), the completion thread (<see cref="Reader"/>, ends), and the supervisor
/// (start, signals, disposal after both others are done).
/// </summary>
internal sealed partial class CallWorker : IDisposable
{
    private readonly byte[] _free;
    private readonly byte[] _released;
    private readonly int _releasedMask;
    private Taken[] _held = [];
    private int _freeCount;
    private long _lookedOrder;
    private int _releasedHead;
    private int _releasedTail;
    private int _inReleasedQueue;
    private volatile bool _uploadsPending;

    public CallWorker(ulong id, WorkerPool pool, ChannelMemory channel, int concurrency)
    {
        Id = id;
        Pool = pool;
        Channel = channel;
        Writer = new RequestWriter(channel);
        Reader = new CompletionReader(channel);
        Concurrency = concurrency;
        Entries = new InFlightEntry[concurrency];
        _free = new byte[concurrency];
        _released = new byte[BitOperations.RoundUpToPowerOf2((uint)concurrency)]; // not rented: the dispatch owner may still look here when all else is over
        _releasedMask = _released.Length - 1;
        for (var i = 0; i < concurrency; i++)
        {
            _free[i] = (byte)(concurrency - 1 - i);
        }

        _freeCount = concurrency;
        CancelBits = new bool[concurrency];
        WantedBits = new bool[concurrency];
        PendingEnds = new (TaskState, TaskCause)?[concurrency];
    }

    /// <summary>The spawner's id of it; the lower 16 bits are its place in the worker table.</summary>
    public ulong Id { get; }

    public WorkerPool Pool { get; }

    public ChannelMemory Channel { get; }

    public int Concurrency { get; }

    public InFlightEntry[] Entries { get; }

    /// <summary>What its group used when it was looked at last; 0: not measured. Written by the supervisor, read by any thread.</summary>
    public long MemoryBytes { get; set; }
    public long CpuMicroseconds { get; set; }

    /// <summary>What it may use; 0: not known.</summary>
    public long MemoryLimit { get; init; }

    /// <summary>Processors that its threads can keep busy at once, if it tells what each call cost; 0: it does not.</summary>
    public int MeasuredProcessors { get; init; }

    // --- dispatch owner ---
    public RequestWriter Writer { get; }

    public Queue<Upload> Uploads { get; } = new();

    public WorkerPhase Phase { get; set; }

    /// <summary>It may have calls in flight.</summary>
    public bool IsServing => Phase is WorkerPhase.Serving or WorkerPhase.Leaving;

    /// <summary>Why it is being replaced.</summary>
    public RecycleReason Recycling { get; set; }

    /// <summary>It was started for calls that were expected, and had none so far.</summary>
    public bool IsAhead { get; set; }

    /// <summary>An upload waits for space. Written by the dispatch owner, read by the completion thread.</summary>
    public bool UploadsPending
    {
        get => _uploadsPending;
        set => _uploadsPending = value;
    }

    /// <summary>It stands in its pool's list of workers with a free index.</summary>
    public bool InAvailable { get; set; }

    /// <summary>It was written to in this round and its ring must be published.</summary>
    public bool Touched { get; set; }

    public long NextOrder { get; set; }

    /// <summary>Beside others, for the processors.</summary>
    public WorkerWeight Weight { get; init; } = new(TaskClass.Normal);

    /// <summary>In-flight indices whose call is asked to yield. Written by the dispatch owner before the worker is told, read by the completion thread when it has answered.</summary>
    public bool[] WantedBits { get; }

    /// <summary>In-flight indices that were told something: to stop, or to yield.</summary>
    public bool[] CancelBits { get; }

    /// <summary>Timestamp since when it has had nothing in flight.</summary>
    public long IdleSince { get; set; }

    public int FreeCount => _freeCount;

    public bool IsIdle => _freeCount == Concurrency;

    // --- completion thread ---
    public CompletionReader Reader { get; }

    /// <summary>It said READY; a second one is a violation.</summary>
    public bool SaidReady { get; set; }

    /// <summary>Why it is being killed, when the daemon decided so. Read by the dispatch owner after it was told to detach.</summary>
    public string? Violation { get; set; }

    /// <summary>All that it had in flight has ended, and its channel is about to be unmapped: nothing reads it from here on.</summary>
    public bool IsGone { get; set; }

    /// <summary>Ends that were decided (timeout, cancel) and wait for the process to be gone.</summary>
    public (TaskState State, TaskCause Cause)?[] PendingEnds { get; }

    /// <summary>How its process ended, once known.</summary>
    public Spawner.WorkerExit? Exit { get; set; }

    /// <summary>It gave an index back in this turn.</summary>
    public bool ReleasedInTurn { get; set; }

    /// <summary>Doorbells that announced nothing, in the current second.</summary>
    public int EmptyDoorbells { get; set; }

    public long EmptyDoorbellsSince { get; set; }

    /// <summary>Whether it stands in the completion thread's list of workers to look at again without a doorbell.</summary>
    public bool InPollList { get; set; }

    // --- supervisor ---
    public int ProcessId { get; set; }

    /// <summary>What the supervisor saw of it at its last looks.</summary>
    public WorkerPulse Pulse { get; } = new();

    /// <summary>Timestamp of the request; a worker that is not READY long after it is given up.</summary>
    public long StartRequested { get; init; }

    /// <summary>Since when, and from which level, an index is taken.</summary>
    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Taken(long Since, byte Level);

    /// <summary>Takes a free index. Dispatch owner only; the caller has checked <see cref="FreeCount"/>.</summary>
    /// <param name="ticket">Index in the low 8 bits, a fresh generation above, never 0.</param>
    /// <param name="index">Which.</param>
    /// <returns>Its entry, which the caller fills.</returns>
    public ref InFlightEntry TakeEntry(out uint ticket, out int index)
    {
        index = _free[--_freeCount];
        ref var entry = ref Entries[index];
        var generation = (entry.Generation + 1) & 0xFFFFFF;
        entry.Generation = generation == 0 ? 1 : generation;
        ticket = (entry.Generation << 8) | (uint)index;
        return ref entry;
    }

    /// <summary>
    /// Gives an index back. Completion thread only. SYNC POINT: the tail is release-stored here and acquire-loaded by
    /// <see cref="TryCollect"/>.
    /// </summary>
    /// <returns>True for the first one of a turn.</returns>
    public bool Release(int index)
    {
        _released[_releasedTail & _releasedMask] = (byte)index;
        Volatile.Write(ref _releasedTail, _releasedTail + 1);
        var first = !ReleasedInTurn;
        ReleasedInTurn = true;
        return first;
    }

    /// <summary>Completion thread only.</summary>
    /// <returns>True when the worker must be put into the shard's queue of released workers (it was not there).</returns>
    // An exchange also when the flag is likely set: its fence keeps the tail from being seen after the owner cleared the flag
    // and looked, which would leave an index uncollected.
    public bool EnterReleasedQueue() => Interlocked.Exchange(ref _inReleasedQueue, 1) == 0;

    /// <summary>Dispatch owner only; before it collects.</summary>
    public void LeaveReleasedQueue() => Interlocked.Exchange(ref _inReleasedQueue, 0);

    /// <summary>Something was given back and not collected. Dispatch owner only.</summary>
    public bool HasReleased => _releasedHead != Volatile.Read(ref _releasedTail);

    /// <summary>Time in service so far of the calls in flight. Dispatch owner only.</summary>
    public long TicksInFlight(long now)
    {
        if (IsIdle)
        {
            return 0;
        }

        var ticks = 0L;
        foreach (ref readonly var entry in Entries.AsSpan())
        {
            ticks += entry.Since == 0 ? 0 : Math.Max(0, now - entry.Since);
        }

        foreach (var index in _free.AsSpan(0, _freeCount))
        {
            var since = Entries[index].Since;
            ticks -= since == 0 ? 0 : Math.Max(0, now - since);
        }

        return ticks;
    }

    /// <summary>Dispatch owner only.</summary>
    /// <returns>True when it had a call since this was asked last.</returns>
    public bool TakeUse(WarmUps warmUps)
    {
        var used = NextOrder != _lookedOrder || !IsIdle;
        _lookedOrder = NextOrder;
        if (used && IsAhead)
        {
            IsAhead = false;
            warmUps.Used++;
        }

        return used;
    }

    /// <summary>Moves what was given back to the free indices, one at a time. Dispatch owner only.</summary>
    /// <returns>False when there is no more.</returns>
    public bool TryCollect(out Taken taken)
    {
        if (_releasedHead == Volatile.Read(ref _releasedTail))
        {
            taken = default;
            return false;
        }

        var index = _released[_releasedHead++ & _releasedMask];
        _free[_freeCount++] = index;
        taken = new Taken(Entries[index].Since, Entries[index].TakenLevel);
        return true;
    }

    /// <summary>It is taken out of its pool with these calls in flight: they hold slots of the node until its process is gone.
    /// Dispatch owner only.</summary>
    public void HoldSlots()
    {
        foreach (var index in _free.AsSpan(0, _freeCount))
        {
            Entries[index].Since = 0;
        }

        var held = new Taken[Concurrency - _freeCount];
        var count = 0;
        foreach (ref readonly var entry in Entries.AsSpan())
        {
            if (entry.Since != 0 && count < held.Length)
            {
                held[count++] = new Taken(entry.Since, entry.TakenLevel);
            }
        }

        _held = held.Length == count ? held : held[..count];
    }

    /// <summary>The slots that it still holds, once.</summary>
    public Taken[] TakeHeldSlots()
    {
        var held = _held;
        _held = [];
        return held;
    }

    public void Dispose()
    {
        DropSaving();
        Writer.Dispose();
        Channel.Dispose();
    }
}

/// <summary>A payload that did not fit into the ring at once, or that comes in more than one. Dispatch owner only.</summary>
/// <param name="ticket">Of its call.</param>
/// <param name="record">Of its task.</param>
/// <param name="state">What an earlier attempt saved, held until it is over; null: the upload is the input.</param>
internal sealed class Upload(uint ticket, int record, SavedState? state = null)
{
    public SavedState? State { get; } = state;

    public uint Ticket { get; } = ticket;

    public int Record { get; } = record;

    /// <summary>Bytes already in the ring.</summary>
    public long Written { get; set; }
}
