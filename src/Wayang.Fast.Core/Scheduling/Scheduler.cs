using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
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
/// ready[level]   the pools whose highest waiting level this is and that have a free slot (a bitmap finds the highest level): by
///                 turns while they are of one tenant, else of whichever tenant has had least for its weight (FairShares)
///  pool          its tenant, free slots, a bitmap of its levels
///   level        ring of flows by turns: one per tenant, where several share a pool (the runtime gives each pools of its own)
///    flow        a heap of its tasks with a deadline, before a FIFO in blocks of 15 tasks: 128 bytes in sequence, so a queue of a million stays dense
/// </code>
/// Enqueue and TryDequeue are O(1), with several tenants O(log of those that wait at the level), with a deadline O(log of those of its flow); ageing costs a bounded number
/// of moves per turn.
/// </summary>
public sealed partial class Scheduler
{
    public const int Levels = 64;

    /// <summary>Tasks with a deadline that go, in a row, before the oldest without one of their level and tenant.</summary>
    public const int MostDueInARow = 7;

    private readonly SchedulerOptions _options;
    private readonly int _maxTasks;
    private readonly TimeProvider _time;
    private readonly FlowQueues _queues;
    private ReadyPools _ready = new();
    private Pool[] _pools = new Pool[8];
    private Level[] _levels = new Level[8 * Levels];
    private readonly int[] _queuedAt = new int[Levels];
    private TenantShare[] _sharesGiven = new TenantShare[4]; // by the tenant's number
    private int _poolCount;
    private int _freePool = -1;
    private int _soleOwner = -1; // of all pools, while there is one
    private int _nodeFree;
    private int _nodeSlots;

    [StructLayout(LayoutKind.Sequential)]
    private struct Pool
    {
        public ulong Bitmap;
        public int FreeSlots;
        public int Queued;
        public int ReadyLevel; // where it stands in _ready, or in _shares
        public int Tenant; // its number
        public int NextUnused;
        public bool Used;
    }

    /// <summary>
    /// The flows of one pool and level: a ring, of which <see cref="Current"/> is served next. All have tasks waiting, but for a flow
    /// that is alone: it stays when it ran empty, and the pool's bitmap tells.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Level
    {
        public int Current;
        public int Flows;
    }

    public Scheduler(SchedulerOptions options, TimeProvider time, int seed)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _options = options;
        _maxTasks = options.MaxTasks;
        _time = time;
        _queues = new FlowQueues(options.MaxTasks);
        NodeSlots = Unbounded;
        InitializeAgeing();
    }

    /// <summary>The node's slots when there is no bound over all pools. Half of the range: it can be lent and given back without overflow.</summary>
    public const int Unbounded = int.MaxValue / 2;

    /// <summary>
    /// Tasks that may have left at once, over all pools: <see cref="TryDequeue"/> takes one of these slots beside the pool's,
    /// <see cref="Finish(int, int, long)"/> gives it back. Whichever task is the highest when one is free gets it. A lower bound than what
    /// is out holds everything until enough came back.
    /// </summary>
    public int NodeSlots
    {
        get => _nodeSlots;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Unbounded);
            _nodeFree += value - _nodeSlots;
            _nodeSlots = value;
        }
    }

    /// <summary>Tasks that left and were not yet finished.</summary>
    public int Outstanding => _nodeSlots - _nodeFree;

    /// <summary>The node's bound is reached: nothing leaves. Any thread; a momentary value.</summary>
    public bool IsNodeFull => Volatile.Read(ref _nodeFree) <= 0;

    /// <summary>Tasks that wait, in all pools.</summary>
    public int Queued { get; private set; }

    public int QueuedIn(int pool) => At(pool).Queued;

    /// <summary>Tasks that wait at a level now, ageing included. Any thread; a momentary value.</summary>
    public int QueuedAt(int level) => Volatile.Read(ref _queuedAt[level]);

    /// <summary>
    /// What a pool looks like from any thread: momentary values, which may be those of a pool that just went or came. False when
    /// there is no such pool.
    /// </summary>
    public bool TryPeek(int pool, out int queued, out int freeSlots)
    {
        var pools = Volatile.Read(ref _pools);
        if ((uint)pool >= (uint)pools.Length || !pools[pool].Used)
        {
            queued = 0;
            freeSlots = 0;
            return false;
        }

        queued = pools[pool].Queued;
        freeSlots = pools[pool].FreeSlots;
        return true;
    }

    /// <summary>Links every pool anew where its tasks and slots say. The owner's; a remedy when work that could run does not.</summary>
    public void RelinkAll()
    {
        for (var pool = 0; pool < _poolCount; pool++)
        {
            if (_pools[pool].Used)
            {
                Relink(pool, ref _pools[pool]);
            }
        }
    }

    /// <summary>Slots that are free; negative while more workers were lost than had finished.</summary>
    public int FreeSlots(int pool) => At(pool).FreeSlots;

    /// <summary>A pool without slots. Numbers of removed pools are used again.</summary>
    /// <param name="tenant">Who is charged for what runs in it.</param>
    public int AddPool(int tenant = 0)
    {
        var owner = NumberOf(tenant);
        var pool = _freePool;
        if (pool >= 0)
        {
            _freePool = _pools[pool].NextUnused;
        }
        else
        {
            pool = _poolCount++;
            if (pool == _pools.Length)
            {
                Array.Resize(ref _pools, pool * 2);
                Array.Resize(ref _levels, pool * 2 * Levels);
            }

            _ready.Reserve(pool);
        }

        _pools[pool] = new Pool { ReadyLevel = ReadyPools.NoLevel, Used = true, Tenant = owner };
        _shares?.Reserve(_tenantNumbers.Count, _poolCount);
        _soleOwner = _soleOwner < 0 ? owner : _soleOwner;
        if (owner != _soleOwner)
        {
            TellApart();
        }

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
            var task = Take(pool, ref entry, Highest(entry.Bitmap), out _);
            orphan(task);
            entry = ref At(pool);
        }

        entry.Used = false;
        entry.NextUnused = _freePool;
        _freePool = pool;
    }

    /// <summary>More free slots (a worker came, a task left), or fewer (a worker went).</summary>
    public void AddSlots(int pool, int delta)
    {
        ref var entry = ref At(pool);
        entry.FreeSlots = checked(entry.FreeSlots + delta);
        Relink(pool, ref entry);
    }

    /// <summary>Lets a task wait.</summary>
    /// <param name="task">Slot of the task table.</param>
    /// <param name="pool">Where it runs.</param>
    /// <param name="level">0 to 63.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="deadline">0: none. Of a level and tenant the earliest goes first, before those without one.</param>
    public void Enqueue(int task, int pool, byte level, int tenant, long deadline = 0)
    {
        if (level >= Levels)
        {
            ThrowLevel(level);
        }

        if (Queued >= _maxTasks)
        {
            ThrowFull();
        }

        ref var entry = ref At(pool);
        Turn();
        Put(pool, ref entry, level, tenant, task, _now, deadline);
        Relink(pool, ref entry);
        Queued++;
        entry.Queued++;
    }

    /// <summary>
    /// For a task that comes while nothing waits: takes a slot of its pool and of the node, as enqueueing and taking it out again would.
    /// False: something waits, or there is no slot, and the task must be enqueued.
    /// </summary>
    public bool TryPass(int pool, byte level)
    {
        ref var entry = ref At(pool);
        if (Queued != 0 || _nodeFree <= 0 || entry.FreeSlots <= 0 || (_shares is { } shares && !TryPassFair(shares, ref entry, level)))
        {
            return false;
        }

        _nodeFree--;
        entry.FreeSlots--; // nothing waits in the pool: it stands nowhere among those that are ready
        return true;
    }

    /// <summary>
    /// Takes the oldest task of the highest level among the pools with a free slot, and takes that slot. Equal levels: tenants by their
    /// shares, a tenant's pools in turn. False: nothing can run, for want of tasks, of slots of their pools, tenants or the node.
    /// </summary>
    public bool TryDequeue(out ScheduledTask item)
    {
        Turn();
        if (_shares is { } shares)
        {
            return TryDequeueFair(shares, out item);
        }

        if (_ready.IsEmpty || _nodeFree <= 0)
        {
            item = default;
            EndTurn();
            return false;
        }

        var level = _ready.HighestLevel;
        var pool = _ready.Next(level);
        ref var entry = ref _pools[pool];
        _nodeFree--;
        var task = Take(pool, ref entry, level, out var levelEmptied);
        // One jump for both: whether the level ran empty is guessed wrong often, and everything else follows from it.
        if (--entry.FreeSlots <= 0 || levelEmptied)
        {
            Relink(pool, ref entry);
        }

        item = new ScheduledTask(task, pool, (byte)level);
        return true;
    }

    private static int Highest(ulong bitmap) => BitOperations.Log2(bitmap);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Pool At(int pool)
    {
        var pools = _pools;
        if ((uint)pool >= (uint)pools.Length || !pools[pool].Used)
        {
            ThrowPool(pool);
        }

        return ref pools[pool];
    }

    // Apart, because what builds a message would make the callers' frames large.
    [DoesNotReturn]
    private static void ThrowPool(int pool) => throw new ArgumentOutOfRangeException(nameof(pool), pool, "no such pool");

    [DoesNotReturn]
    private static void ThrowLevel(int level) => throw new ArgumentOutOfRangeException(nameof(level), level, "levels are 0 to 63");

    [DoesNotReturn]
    private void ThrowFull() => throw new InvalidOperationException($"over {_maxTasks} tasks: each slot may wait once");

    /// <summary>Appends to the flow of (pool, level, tenant), which begins at the end of its ring if it had nothing waiting.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Put(int pool, ref Pool entry, int level, int tenant, int task, uint now, long deadline)
    {
        ref var at = ref _levels[(pool * Levels) + level];
        var flow = at.Current;
        if (_queues.TenantOf(flow) != tenant || flow == FlowQueues.None)
        {
            flow = FlowOf(ref at, (pool * Levels) + level, tenant, (entry.Bitmap & (1UL << level)) == 0);
        }

        entry.Bitmap |= 1UL << level;
        _queuedAt[level]++;
        if (deadline == 0)
        {
            _queues.Append(flow, task, now);
            return;
        }

        _queues.AppendDeadline(flow, task, now, deadline);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int FlowOf(ref Level at, int place, int tenant, bool empty)
    {
        var flow = _queues.Find(place, tenant);
        if (!_queues.IsIdle(flow))
        {
            return flow;
        }

        if (!empty)
        {
            _queues.WakeBefore(at.Current, flow);
            at.Flows++;
            return flow;
        }

        _queues.Wake(flow);
        if (at.Current != FlowQueues.None)
        {
            _queues.Rest(at.Current);
        }

        at.Current = flow;
        at.Flows = 1;
        return flow;
    }

    /// <summary>Takes the head of the level's current flow and lets the next flow be current.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Take(int pool, ref Pool entry, int level, out bool levelEmptied)
    {
        ref var at = ref _levels[(pool * Levels) + level];
        var flow = at.Current;
        var task = _queues.TakeHead(flow, out var emptied);
        Queued--;
        _queuedAt[level]--;
        entry.Queued--;
        levelEmptied = false;
        if (at.Flows > 1)
        {
            at.Current = _queues.NextOf(flow);
            if (emptied)
            {
                at.Flows--;
                _queues.Rest(flow);
            }
        }
        else if (emptied)
        {
            entry.Bitmap &= ~(1UL << level);
            levelEmptied = true;
        }

        return task;
    }

    /// <summary>Puts the pool where it belongs now among those that are ready.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Relink(int pool, ref Pool entry)
    {
        var level = entry.FreeSlots > 0 && entry.Bitmap != 0 ? Highest(entry.Bitmap) : ReadyPools.NoLevel;
        if (level != entry.ReadyLevel)
        {
            if (_shares is { } shares)
            {
                shares.Move(pool, entry.Tenant, entry.ReadyLevel, level);
            }
            else
            {
                _ready.Move(pool, entry.ReadyLevel, level);
            }

            entry.ReadyLevel = level;
        }
    }
}
