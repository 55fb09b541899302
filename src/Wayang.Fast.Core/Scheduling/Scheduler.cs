using System.Numerics;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>What to run next.</summary>
/// <param name="Task">Slot of the task table.</param>
/// <param name="Level">The level it was taken from: its own, or the one that ageing lifted it to.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ScheduledTask(int Task, int Pool, byte Level);

/// <summary>
/// Which task runs next: a pure state machine over a clock. One owner at a time; no locks, no I/O, no allocation in steady
/// state (its arrays double while the number of pools, flows or queued tasks reaches a new height).
/// <code>
/// ready[level]   ring of the pools whose highest waiting level this is and that have a free slot (a bitmap finds the highest)
///  pool          free slots, a bitmap of its levels
///   level        ring of flows, one per tenant with something waiting (deficit round robin; all weights are 1 so far)
///    flow        FIFO in blocks of 15 tasks: 128 bytes in sequence, so a queue of a million stays dense
/// </code>
/// Enqueue and TryDequeue are O(1); ageing costs a bounded number of moves per turn.
/// </summary>
public sealed partial class Scheduler
{
    public const int Levels = 64;

    private readonly SchedulerOptions _options;
    private readonly TimeProvider _time;
    private readonly FlowQueues _queues;
    private ulong _ready;
    private readonly int[] _readyHead = new int[Levels];
    private Pool[] _pools = new Pool[8];
    private Level[] _levels = new Level[8 * Levels];
    private int _poolCount;
    private int _freePool = -1;

    [StructLayout(LayoutKind.Sequential)]
    private struct Pool
    {
        public ulong Bitmap;
        public int FreeSlots;
        public int Queued;
        public int ReadyLevel; // -1: not in a ready ring
        public int ReadyNext;
        public int ReadyPrevious; // or the next unused pool
        public bool Used;
    }

    /// <summary>The flows of one pool and level: a ring, of which <see cref="Current"/> is served next.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Level
    {
        public int Current; // flow + 1; 0: none
        public int Flows;
    }

    public Scheduler(SchedulerOptions options, TimeProvider time, int seed)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _options = options;
        _time = time;
        _queues = new FlowQueues(options.MaxTasks);
        _readyHead.AsSpan().Fill(-1);
        InitializeAgeing();
    }

    /// <summary>Tasks that wait, in all pools.</summary>
    public int Queued { get; private set; }

    public int QueuedIn(int pool) => At(pool).Queued;

    /// <summary>Slots that are free; negative while more workers were lost than had finished.</summary>
    public int FreeSlots(int pool) => At(pool).FreeSlots;

    /// <summary>A pool without slots. Numbers of removed pools are used again.</summary>
    public int AddPool()
    {
        var pool = _freePool;
        if (pool >= 0)
        {
            _freePool = _pools[pool].ReadyPrevious;
        }
        else
        {
            pool = _poolCount++;
            if (pool == _pools.Length)
            {
                Array.Resize(ref _pools, pool * 2);
                Array.Resize(ref _levels, pool * 2 * Levels);
            }
        }

        _pools[pool] = new Pool { ReadyLevel = -1, Used = true };
        return pool;
    }

    /// <summary>Forgets a pool; each task that waited in it is handed to <paramref name="orphan"/>, highest level first, and is no longer queued.</summary>
    public void RemovePool(int pool, Action<int> orphan)
    {
        ArgumentNullException.ThrowIfNull(orphan);
        ref var entry = ref At(pool);
        entry.FreeSlots = 0;
        Relink(pool, ref entry);
        while (entry.Bitmap != 0)
        {
            // Through a local: the callback may add pools, which moves the array.
            var task = Take(pool, ref entry, Highest(entry.Bitmap));
            orphan(task);
            entry = ref At(pool);
        }

        entry.Used = false;
        entry.ReadyPrevious = _freePool;
        _freePool = pool;
    }

    /// <summary>More free slots (a worker came, a task left), or fewer (a worker went).</summary>
    public void AddSlots(int pool, int delta)
    {
        ref var entry = ref At(pool);
        entry.FreeSlots = checked(entry.FreeSlots + delta);
        Relink(pool, ref entry);
    }

    /// <summary>
    /// Lets a task wait. <paramref name="deadline"/> has its place in the call, because front doors will pass it: a flow then gets a
    /// heap of its tasks with a deadline before its FIFO. Until that policy exists it does not change the order.
    /// </summary>
    public void Enqueue(int task, int pool, byte level, int tenant, long deadline = 0)
    {
        _ = deadline;
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(level, Levels);
        if (Queued >= _options.MaxTasks)
        {
            throw new InvalidOperationException($"over {_options.MaxTasks} tasks: each slot may wait once");
        }

        ref var entry = ref At(pool);
        Turn();
        Put(pool, ref entry, level, tenant, task, _now);
        Relink(pool, ref entry);
        Queued++;
        entry.Queued++;
    }

    /// <summary>
    /// Takes the oldest task of the highest level among the pools with a free slot, and takes that slot. Equal levels: pools in
    /// turn, and inside a pool tenants in turn. False: nothing can run.
    /// </summary>
    public bool TryDequeue(out ScheduledTask item)
    {
        Turn();
        var ready = _ready;
        if (ready == 0)
        {
            item = default;
            EndTurn();
            return false;
        }

        var level = Highest(ready);
        var pool = _readyHead[level];
        ref var entry = ref _pools[pool];
        var task = Take(pool, ref entry, level);
        entry.FreeSlots--;
        _readyHead[level] = entry.ReadyNext; // the next pool's turn
        Relink(pool, ref entry);
        item = new ScheduledTask(task, pool, (byte)level);
        return true;
    }

    private static int Highest(ulong bitmap) => 63 - BitOperations.LeadingZeroCount(bitmap);

    private ref Pool At(int pool)
    {
        if ((uint)pool >= (uint)_poolCount || !_pools[pool].Used)
        {
            throw new ArgumentOutOfRangeException(nameof(pool), pool, "no such pool");
        }

        return ref _pools[pool];
    }

    /// <summary>Appends to the flow of (pool, level, tenant), which begins at the end of its ring if it had nothing waiting.</summary>
    private void Put(int pool, ref Pool entry, int level, int tenant, int task, uint now)
    {
        ref var at = ref _levels[(pool * Levels) + level];
        var flow = at.Current - 1;
        if (flow < 0)
        {
            flow = _queues.Open(tenant);
            at.Current = flow + 1;
            at.Flows = 1;
            entry.Bitmap |= 1UL << level;
        }
        else if (_queues.TenantOf(flow) != tenant)
        {
            flow = FlowOf(ref at, pool, level, tenant);
        }

        _queues.Append(flow, task, now);
    }

    private int FlowOf(ref Level at, int pool, int level, int tenant)
    {
        var key = new FlowKey((pool * Levels) + level, tenant);
        if (at.Flows > 1 && _queues.TryFind(key, out var flow))
        {
            return flow;
        }

        if (at.Flows == 1)
        {
            // Only rings of several flows are in the index: one tenant alone never pays for it.
            var only = at.Current - 1;
            _queues.Index(new FlowKey(key.Place, _queues.TenantOf(only)), only);
        }

        flow = _queues.Open(tenant);
        _queues.InsertBefore(at.Current - 1, flow);
        _queues.Index(key, flow);
        at.Flows++;
        return flow;
    }

    /// <summary>Takes the head of the level's current flow and lets the next flow be current.</summary>
    private int Take(int pool, ref Pool entry, int level)
    {
        ref var at = ref _levels[(pool * Levels) + level];
        var flow = at.Current - 1;
        var task = _queues.TakeHead(flow, out var emptied);
        Queued--;
        entry.Queued--;
        if (!emptied)
        {
            if (at.Flows > 1)
            {
                at.Current = _queues.NextOf(flow) + 1;
            }
        }
        else
        {
            Close(ref at, pool, ref entry, level, flow);
        }

        return task;
    }

    private void Close(ref Level at, int pool, ref Pool entry, int level, int flow)
    {
        if (at.Flows == 1)
        {
            at.Current = 0;
            at.Flows = 0;
            entry.Bitmap &= ~(1UL << level);
            _queues.Close(flow);
            return;
        }

        var place = (pool * Levels) + level;
        var next = _queues.NextOf(flow);
        if (at.Current == flow + 1)
        {
            at.Current = next + 1;
        }

        _queues.Unindex(new FlowKey(place, _queues.TenantOf(flow)));
        _queues.Remove(flow);
        _queues.Close(flow);
        if (--at.Flows == 1)
        {
            _queues.Unindex(new FlowKey(place, _queues.TenantOf(next)));
        }
    }

    /// <summary>Puts the pool into the ready ring where it belongs now.</summary>
    private void Relink(int pool, ref Pool entry)
    {
        var level = entry.FreeSlots > 0 && entry.Bitmap != 0 ? Highest(entry.Bitmap) : -1;
        if (level == entry.ReadyLevel)
        {
            return;
        }

        if (entry.ReadyLevel >= 0)
        {
            LeaveReady(pool, ref entry);
        }

        entry.ReadyLevel = level;
        if (level >= 0)
        {
            EnterReady(pool, ref entry, level);
        }
    }

    private void EnterReady(int pool, ref Pool entry, int level)
    {
        var head = _readyHead[level];
        if (head < 0)
        {
            entry.ReadyNext = pool;
            entry.ReadyPrevious = pool;
            _readyHead[level] = pool;
            _ready |= 1UL << level;
            return;
        }

        var last = _pools[head].ReadyPrevious;
        entry.ReadyNext = head;
        entry.ReadyPrevious = last;
        _pools[last].ReadyNext = pool;
        _pools[head].ReadyPrevious = pool;
    }

    private void LeaveReady(int pool, ref Pool entry)
    {
        var level = entry.ReadyLevel;
        if (entry.ReadyNext == pool)
        {
            _readyHead[level] = -1;
            _ready &= ~(1UL << level);
            return;
        }

        _pools[entry.ReadyPrevious].ReadyNext = entry.ReadyNext;
        _pools[entry.ReadyNext].ReadyPrevious = entry.ReadyPrevious;
        if (_readyHead[level] == pool)
        {
            _readyHead[level] = entry.ReadyNext;
        }
    }
}
