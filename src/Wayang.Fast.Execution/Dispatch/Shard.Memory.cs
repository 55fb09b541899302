using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Resources;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// Memory set aside for commands: what does not fit beside what runs waits, holding its slot of its pool, until enough ended.
/// Calls are not reserved for: their workers stay, whoever calls.
/// </content>
internal sealed partial class Shard
{
    private const int PatienceSeconds = 5;

    private readonly MemoryLedger _memory = new(PatienceSeconds * Stopwatch.Frequency);
    private Func<int, long>? _bytesOf;
    private int _lending = -1; // slot of the task that memory was just lent to

    /// <summary>Set once by the composition before the first task.</summary>
    public MemoryPlan Memory { get; set; } = null!;

    /// <summary>Bytes of the node set aside now, and tasks that wait for some. Momentary values.</summary>
    public long ReservedMemory => _memory.Reserved;

    public int WaitingForMemory => _memory.Count;

    /// <summary>Any thread; a momentary value.</summary>
    public bool WaitsForMemory(int slot) => _memory.Holds(slot);

    /// <returns>False: it waits in the ledger now.</returns>
    private bool TryReserve(TaskRecord record, byte level)
    {
        if (record.State != TaskState.Queued)
        {
            return true; // a tombstone, or a place that it left
        }

        var bytes = BytesOf(record);
        if (bytes == 0)
        {
            return true;
        }

        _memory.Capacity = Memory.Capacity;
        if (!_memory.TryReserve(bytes, level, _now))
        {
            _memory.Wait(record.Slot, level, _now);
            return false;
        }

        record.Lend(bytes);
        _lending = record.Slot;
        return true;
    }

    private long BytesOf(TaskRecord record)
    {
        record.Reservation = Memory.Of(record);
        return record.Reservation.Bytes;
    }

    /// <summary>Starts what waited for memory and finds it now.</summary>
    private void ServeMemory()
    {
        _memory.Release(_lifecycle.TakeReturnedMemory());
        _bytesOf ??= slot => BytesOf(_table[slot]);
        while (_memory.TryTake(_now, _bytesOf, out var task, out var level, out var bytes))
        {
            StartLent(_table[task], level, bytes);
        }
    }

    /// <summary>Once a second: what was cancelled while it waited gives its slot back, and another capacity is looked at.</summary>
    private void SweepMemory()
    {
        _memory.Capacity = Memory.Capacity;
        foreach (var task in _memory.Tasks.Where(t => _table[t].State != TaskState.Queued || _pools[_table[t].Pool]!.Closed).ToArray())
        {
            if (_memory.Remove(task, out var level))
            {
                StartLent(_table[task], level, 0);
            }
        }

        ServeMemory();
    }

    private void StartLent(TaskRecord record, byte level, long bytes)
    {
        var pool = _pools[record.Pool]!;
        if (pool.Closed)
        {
            _memory.Release(bytes);
            _scheduler.Finish(pool.SchedulerId, level, -1);
            Orphan(record.Slot, pool.Image.Failure ?? "the image was closed");
            return;
        }

        if (record.State != TaskState.Queued)
        {
            _memory.Release(bytes); // it ended, or another place of it came up before
        }
        else if (bytes != 0)
        {
            record.Lend(bytes);
            _lending = record.Slot;
        }

        Start(record, pool, level);
    }

    /// <summary>What was taken for a task that did not start after all.</summary>
    private void GiveBack(TaskRecord record, WorkerPool pool, byte level)
    {
        if (_lending == record.Slot)
        {
            _memory.Release(record.TakeLent()); // not what an entry of it that was taken before runs on
        }

        _lending = -1;
        _scheduler.AddSlots(pool.SchedulerId, 1);
        _scheduler.Finish(pool.SchedulerId, level, -1);
    }
}
