using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <param name="MaxTasks">Records in all: queued, running and ended ones that are kept. Memory is taken in chunks as it is needed.</param>
/// <param name="BootTag">24 bits that tell this start of the node from others; part of every id.</param>
public sealed record TaskTableOptions(int MaxTasks, uint BootTag)
{
    /// <summary>Slabs for what tasks bring and leave, at most; what is over it is the collector's.</summary>
    public long MaxSlabBytes { get; init; } = 320L << 20;
}

/// <summary>
/// The node's task records by slot. Rent and return: any thread, lock-free (a stack of free slots, whose head carries a
/// tag of 32 bits against a slot that left and came back between a look and the exchange). Records are made when first needed, or
/// before, by <see cref="Prepare"/>.
/// </summary>
public sealed class TaskTable
{
    private const int ChunkBits = 8;
    private const int ChunkSize = 1 << ChunkBits;
    private const int ChunkMask = ChunkSize - 1;
    private const int MaxOwn = 64;

    private readonly TaskRecord[]?[] _chunks;
    private readonly int[] _next;
    private readonly int _max;

    // SYNC POINT: tag (upper half) and slot + 1 (lower half) of the first free slot; 0 in the lower half = none.
    private ulong _free;

    // The completion thread's own few free slots: what it forgot last, and rents next when it submits.
    private readonly int[] _own;
    private int _ownCount;

    // Tasks of earlier starts that are here again under their old ids; null: none ever was.
    private volatile ConcurrentDictionary<TaskId, TaskRecord>? _restored;
    private int _fresh;

    public TaskTable(TaskTableOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxTasks, nameof(options));
        _max = options.MaxTasks;
        BootTag = options.BootTag & 0xFFFFFF;
        Slabs = new PayloadSlabs(options.MaxSlabBytes, time);
        MicrosecondsPerTick = 1e6 / time.TimestampFrequency;
        _chunks = new TaskRecord[(options.MaxTasks + ChunkSize - 1) / ChunkSize][];
        _next = new int[options.MaxTasks];
        _own = new int[Math.Min(MaxOwn, options.MaxTasks / 1024)];
    }

    public int MaxTasks => _max;

    public uint BootTag { get; }

    /// <summary>Memory of the records' payloads.</summary>
    public PayloadSlabs Slabs { get; }

    internal double MicrosecondsPerTick { get; }

    /// <summary>The record of a slot that was rented at least once: what inbox and scheduler hand out.</summary>
    public TaskRecord this[int slot] => Volatile.Read(ref _chunks[slot >> ChunkBits])![slot & ChunkMask];

    /// <summary>
    /// Makes the first <paramref name="count"/> records with all that a task may need of them, so that none is made, survives and is
    /// moved by the collector while tasks run. Before the first rent.
    /// </summary>
    public void Prepare(int count)
    {
        for (var first = 0; first < Math.Min(count, _max); first += ChunkSize)
        {
            var chunk = _chunks[first >> ChunkBits] ??= NewChunk(first);
            foreach (var record in chunk)
            {
                record.Complete();
            }
        }
    }

    /// <summary>Takes a record for a new task; false when all are in use.</summary>
    public bool TryRent([NotNullWhen(true)] out TaskRecord? record)
    {
        var free = Volatile.Read(ref _free);
        while ((uint)free != 0)
        {
            var slot = (int)(uint)free - 1;
            var rest = ((free >> 32) + 1) << 32 | (uint)Volatile.Read(ref _next[slot]);
            var seen = Interlocked.CompareExchange(ref _free, rest, free);
            if (seen == free)
            {
                record = this[slot];
                return true;
            }

            free = seen;
        }

        return TryRentFresh(out record);
    }

    /// <summary>The same for the completion thread, which looks first at what it forgot last: no interlocked operation, and warm memory.</summary>
    public bool TryRentOwn([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_ownCount == 0)
        {
            return TryRent(out record);
        }

        record = this[_own[--_ownCount]];
        return true;
    }

    /// <summary>Gives back a record that was rented but never admitted.</summary>
    public void Return(TaskRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (record.State != TaskState.None)
        {
            throw new InvalidOperationException($"slot {record.Slot} was admitted: only the lifecycle recycles it");
        }

        Recycle(record);
    }

    /// <summary>All records made so far, in use or not: for a stop, which ends what has not ended. Cold.</summary>
    public IEnumerable<TaskRecord> Records()
    {
        for (var chunk = 0; chunk < _chunks.Length; chunk++)
        {
            foreach (var record in Volatile.Read(ref _chunks[chunk]) ?? [])
            {
                if (record is not null)
                {
                    yield return record;
                }
            }
        }
    }

    /// <summary>
    /// The record of a task, or null unless it holds that very id. Nothing keeps it from being recycled afterwards: on a thread
    /// other than the completion thread use <see cref="TaskLifecycle.TryPin"/>.
    /// </summary>
    public TaskRecord? Find(TaskId id)
    {
        var record = At(id);
        if (record is null)
        {
            return null;
        }

        var word = Volatile.Read(ref record.Word);
        if (!Matches(record, word, id))
        {
            return null;
        }

        Volatile.ReadBarrier();
        return RecordWord.Generation(Volatile.Read(ref record.Word)) == RecordWord.Generation(word) ? record : null;
    }

    /// <summary>The record where the id would stand.</summary>
    internal TaskRecord? At(TaskId id)
    {
        if (_restored is { } restored && restored.TryGetValue(id, out var record))
        {
            return record;
        }

        var slot = id.Slot;
        if ((uint)slot >= (uint)_max || id.BootTag != BootTag)
        {
            return null;
        }

        return Volatile.Read(ref _chunks[slot >> ChunkBits])?[slot & ChunkMask];
    }

    /// <summary>Whether <paramref name="word"/>, read from the record before, is that of the task; proven by a later exchange or look.</summary>
    internal static bool Matches(TaskRecord record, ulong word, TaskId id) =>
        RecordWord.State(word) != TaskState.None && (word & RecordWord.Evicted) == 0 && record.Id == id;

    /// <summary>The record is found by an id of an earlier start, until it is recycled. Before it is admitted.</summary>
    internal void Restore(TaskId id, TaskRecord record)
    {
        Interlocked.CompareExchange(ref _restored, new ConcurrentDictionary<TaskId, TaskRecord>(), null);
        _restored![id] = record;
    }

    /// <summary>Starts the slot's next generation and puts it on the stack of free ones. The caller is its only owner.</summary>
    internal void Recycle(TaskRecord record)
    {
        Renew(record);
        PushFree(record.Slot);
    }

    /// <summary>The same for the completion thread, which keeps a few.</summary>
    internal void RecycleOwn(TaskRecord record)
    {
        Renew(record);
        if (_ownCount < _own.Length)
        {
            _own[_ownCount++] = record.Slot;
            return;
        }

        PushFree(record.Slot);
    }

    private void Renew(TaskRecord record)
    {
        // A task may come back under its id while its last visit is still remembered: only this very record's name goes.
        _restored?.TryRemove(new KeyValuePair<TaskId, TaskRecord>(record.Id, record));
        var next = (ulong)(RecordWord.Generation(record.Word) + 1) << 32;
        Volatile.Write(ref record.Word, next);
        Volatile.WriteBarrier(); // readers that copied cleared fields find the next generation
        record.Reset();
    }

    private void PushFree(int slot)
    {
        var free = Volatile.Read(ref _free);
        while (true)
        {
            Volatile.Write(ref _next[slot], (int)(uint)free);
            var seen = Interlocked.CompareExchange(ref _free, ((free >> 32) + 1) << 32 | (uint)(slot + 1), free);
            if (seen == free)
            {
                return;
            }

            free = seen;
        }
    }

    private bool TryRentFresh([NotNullWhen(true)] out TaskRecord? record)
    {
        record = null;
        if (Volatile.Read(ref _fresh) >= _max)
        {
            return false;
        }

        var slot = Interlocked.Increment(ref _fresh) - 1;
        if (slot >= _max)
        {
            Interlocked.Decrement(ref _fresh);
            return false;
        }

        ref var chunk = ref _chunks[slot >> ChunkBits];
        if (Volatile.Read(ref chunk) is null)
        {
            Interlocked.CompareExchange(ref chunk, NewChunk(slot & ~ChunkMask), null);
        }

        record = this[slot];
        return true;
    }

    private TaskRecord[] NewChunk(int first)
    {
        var chunk = new TaskRecord[Math.Min(ChunkSize, _max - first)];
        var extras = new TaskExtras[chunk.Length];
        var links = new TaskLinks[chunk.Length];
        for (var i = 0; i < chunk.Length; i++)
        {
            chunk[i] = new TaskRecord(this, first + i, extras, links, i);
        }

        return chunk;
    }
}
