using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <summary>
/// Drives the real scheduler and lifecycle by random steps of one seed, beside a model that is too simple to be wrong:
/// a FIFO per (pool, level of submission, tenant), a count of free slots per pool and of the node's, a clock. Ageing only makes what is at the head
/// of its FIFO leave earlier, so the FIFO order holds with it too.
/// </summary>
internal sealed partial class NodeSimulation : ITaskObserver
{
    private const int MaxTasks = 1500;
    private const int MaxPools = 10;
    private const int Tenants = 3;
    private const int MaxStepMs = 12;

    private readonly Random _random;
    private readonly ManualTime _time = new();
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly Scheduler _scheduler;
    private readonly SchedulerOptions _options;

    private readonly Queue<int>[] _fifos = new Queue<int>[MaxPools * Scheduler.Levels * Tenants];
    private readonly SortedSet<(long Deadline, long Order, int Task)>[] _due = new SortedSet<(long, long, int)>[MaxPools * Scheduler.Levels * Tenants];
    private readonly int[] _inARow = new int[MaxPools * Scheduler.Levels * Tenants]; // of those with a deadline that left a flow
    private readonly ulong[] _waiting = new ulong[MaxPools];
    private readonly int[] _waitingAt = new int[MaxPools * Scheduler.Levels];
    private readonly bool[] _exists = new bool[MaxPools];
    private readonly int[] _free = new int[MaxPools];
    private readonly int[] _owners = new int[MaxPools]; // who is charged for what a pool runs; others may use it too
    private readonly int[] _ownersRunning = new int[Tenants];
    private readonly int[] _ownersMost = [int.MaxValue, int.MaxValue, int.MaxValue];
    private readonly ModelTask[] _tasks = new ModelTask[MaxTasks];
    private readonly List<int> _queued = [];
    private readonly List<int> _running = [];
    private int _inScheduler;
    private int _nodeSlots = Scheduler.Unbounded;
    private int _out; // slots of the node that are lent
    private long _held;
    private long _passed;
    private long _submitted;
    private long _told;
    private long _lifted;
    private long _tombstones;

    private struct ModelTask
    {
        public TaskId Id;
        public int Pool;
        public byte Level;
        public byte Taken; // the level that it left from
        public int Tenant;
        public long Since;
        public int Place; // in _queued or _running
        public long Deadline; // 0: none
        public long Order;
        public bool Live; // admitted and not ended
        public bool InScheduler;
    }

    public NodeSimulation(int seed)
    {
        _random = new Random(seed);
        _options = new SchedulerOptions(MaxTasks)
        {
            UrgentBound = TimeSpan.FromMilliseconds(150),
            NormalBound = TimeSpan.FromMilliseconds(200),
            BatchBound = TimeSpan.FromMilliseconds(300),
            IdleBound = TimeSpan.FromMilliseconds(500),
            AgeingInterval = TimeSpan.FromMilliseconds(10),
        };
        _table = new TaskTable(new TaskTableOptions(MaxTasks, 7), _time);
        _lifecycle = new TaskLifecycle(_table, new RetentionOptions(40, TimeSpan.FromMilliseconds(400), 10_000), _time);
        _scheduler = new Scheduler(_options, _time, seed);
        for (var i = 0; i < _fifos.Length; i++)
        {
            _fifos[i] = new Queue<int>();
            _due[i] = [];
        }
    }

    public string Report => $"{_submitted} submitted, {_told} ended, {_lifted} lifted, {_tombstones} tombstones, {_held} held back by the node, {_passed} passed";

    public void Run(long steps)
    {
        AddPool();
        for (long step = 0; step < steps; step++)
        {
            Step();
            if ((step & 4095) == 0)
            {
                CheckCounts();
            }
        }

        Finish();
    }

    private void Step()
    {
        switch (_random.Next(1000))
        {
            case < 380: Submit(); break;
            case < 660: Dispatch(); break;
            case < 900: Complete(TaskState.Succeeded, CauseType.Exit, slotReturns: true); break;
            case < 930: CancelQueued(); break;
            case < 945: Complete(TaskState.Cancelled, CauseType.Cancelled, slotReturns: true); break;
            case < 955: Complete(TaskState.TimedOut, CauseType.Timeout, slotReturns: true); break;
            case < 965: Complete(TaskState.Failed, CauseType.WorkerLost, slotReturns: false); break;
            case < 978: AddSlot(); break;
            case < 980: AddPool(); break;
            case < 981: RemovePool(); break;
            case < 985: EndAgain(); break;
            case < 986: ChangeNodeSlots(); break;
            case < 987: ChangeShare(); break;
            default: AdvanceClock(); break;
        }
    }

    private void Submit()
    {
        var pool = RandomPool();
        if (pool < 0 || !(_random.Next(2) == 0 ? _table.TryRentOwn(out var record) : _table.TryRent(out record)))
        {
            return;
        }

        var level = (byte)_random.Next(Scheduler.Levels);
        var tenant = Math.Max(0, _random.Next(Tenants + 2) - 2); // one tenant alone is common
        record.Pool = pool;
        record.Level = level;
        record.Tenant = tenant;
        if (_random.Next(8) == 0)
        {
            record.Input.Set(new byte[200]);
        }

        var slot = record.Slot;
        Check(!_tasks[slot].Live && !_tasks[slot].InScheduler, "a slot in use was rented");
        var id = _lifecycle.Admit(record, this, slot);
        var lone = _inScheduler == 0 && _free[pool] > 0 && _out < _nodeSlots && !IsHeld(pool);
        if (_random.Next(2) == 0 && _scheduler.TryPass(pool, level))
        {
            Check(lone, "a task passed others that wait, or took a slot that was not there");
            Pass(id, pool, level, tenant, record);
            return;
        }

        var deadline = _random.Next(4) == 0 ? 1 + Now + _random.Next(400) : 0;
        _scheduler.Enqueue(slot, pool, level, tenant, deadline);
        _tasks[slot] = new ModelTask
        {
            Id = id, Pool = pool, Level = level, Tenant = tenant, Since = Now, Live = true, InScheduler = true, Place = _queued.Count,
            Deadline = deadline, Order = _submitted,
        };
        _queued.Add(slot);
        Wait(slot);
        _waiting[pool] |= 1UL << level;
        _waitingAt[(pool * Scheduler.Levels) + level]++;
        _inScheduler++;
        _submitted++;
    }

    /// <summary>Started without having waited.</summary>
    private void Pass(TaskId id, int pool, byte level, int tenant, TaskRecord record)
    {
        _tasks[record.Slot] = new ModelTask { Id = id, Pool = pool, Level = level, Taken = level, Tenant = tenant, Since = Now, Live = true };
        _submitted++;
        _passed++;
        _free[pool]--;
        _out++;
        _ownersRunning[_owners[pool]]++;
        Check(_lifecycle.TryStart(record, _time.GetTimestamp(), running: true), "a task that was just admitted had ended");
        _tasks[record.Slot].Place = _running.Count;
        _running.Add(record.Slot);
    }

    private void Dispatch()
    {
        var expected = HighestReady();
        if (_out >= _nodeSlots)
        {
            Check(!_scheduler.TryDequeue(out _), "a task left beyond the node's slots");
            _held += expected >= 0 ? 1 : 0;
            return;
        }

        if (!_scheduler.TryDequeue(out var item))
        {
            Check(expected < 0, "nothing came although a task waits in a pool with a free slot");
            return;
        }

        ref var task = ref _tasks[item.Task];
        Check(task.InScheduler && task.Pool == item.Pool, "a task came twice or from another pool");
        Check(_free[item.Pool] > 0, "a slot was given out twice");
        Check(item.Level >= expected, "a lower level went first");
        CheckAge(task, item.Level);
        CheckOrder(task, item);
        LeaveScheduler(ref task);
        task.Taken = item.Level;
        Check(!IsHeld(item.Pool), "a task left beyond its tenant's bound");
        _free[item.Pool]--;
        _out++;
        _ownersRunning[_owners[item.Pool]]++;
        var record = _table[item.Task];
        Check(_lifecycle.TryStart(record) == task.Live, "start disagrees about a tombstone");
        if (!task.Live)
        {
            _tombstones++;
            _scheduler.AddSlots(item.Pool, 1);
            _free[item.Pool]++;
            GiveBack(item.Task);
            return;
        }

        _lifecycle.Run(record);
        Move(_queued, _running, item.Task);
    }

    private void CheckAge(in ModelTask task, byte level)
    {
        var waited = Now - task.Since;
        var bound = Bound(task.Level);
        if (level == task.Level)
        {
            Check(bound == 0 || task.Deadline != 0 || waited <= bound + 10 + (2 * MaxStepMs), "waited past its bound and was not lifted");
            return;
        }

        _lifted++;
        long needed = 0;
        int at = task.Level;
        while (at < level && Bound(at) > 0)
        {
            needed += Bound(at);
            at = Math.Min(at + 16, 55);
        }

        Check(at == level && level < 56, "lifted to a level that is not of its ladder");
        Check(waited >= needed, "lifted before its bound");
    }

    private void Complete(TaskState state, CauseType cause, bool slotReturns)
    {
        if (_running.Count == 0)
        {
            return;
        }

        var slot = _running[_random.Next(_running.Count)];
        var pool = _tasks[slot].Pool;
        if (_random.Next(16) == 0)
        {
            _table[slot].Output.Set(new byte[300]);
        }

        Take(_running, slot);
        End(slot, state, cause);
        GiveBack(slot);
        if (slotReturns)
        {
            _scheduler.AddSlots(pool, 1);
            _free[pool]++;
        }
    }

    private void CancelQueued()
    {
        if (_queued.Count == 0)
        {
            return;
        }

        var slot = _queued[_random.Next(_queued.Count)];
        Take(_queued, slot);
        End(slot, TaskState.Cancelled, CauseType.Cancelled);
    }

    private void End(int slot, TaskState state, CauseType cause)
    {
        var before = _told;
        Check(_table.Find(_tasks[slot].Id) is not null, "a live task is not found");
        Check(_lifecycle.End(_table[slot], state, new TaskCause(cause)), "an end was refused");
        Check(_told == before + 1, "an end was told not exactly once");
    }

    /// <summary>A second end of a task that may be kept, forgotten or recycled: never told again.</summary>
    private void EndAgain()
    {
        var slot = _random.Next(MaxTasks);
        if (_tasks[slot].Live || _tasks[slot].Id == default)
        {
            return;
        }

        var before = _told;
        if (_table.Find(_tasks[slot].Id) is { } record)
        {
            Check(!_lifecycle.End(record, TaskState.Failed, new TaskCause(CauseType.WorkerLost)), "a task ended twice");
        }

        Check(_told == before, "an end was told twice");
    }

    private void AddSlot()
    {
        var pool = RandomPool();
        if (pool >= 0 && _free[pool] < 6)
        {
            _scheduler.AddSlots(pool, 1);
            _free[pool]++;
        }
    }

    private void AddPool()
    {
        if (!_exists.Contains(false))
        {
            return;
        }

        var owner = _random.Next(Tenants);
        var pool = _scheduler.AddPool(owner);
        _owners[pool] = owner;
        Check(!_exists[pool], "a pool's number is in use");
        _exists[pool] = true;
        _free[pool] = 2;
        _scheduler.AddSlots(pool, 2);
    }

    private void RemovePool()
    {
        var pool = RandomPool();
        if (pool < 0 || _exists.Count(static e => e) < 3)
        {
            return;
        }

        var expected = _scheduler.QueuedIn(pool);
        var orphans = 0;
        _inARow.AsSpan(Flow(pool, 0, 0), Scheduler.Levels * Tenants).Fill(Scheduler.MostDueInARow); // what orphans do to these counts is not seen here
        _scheduler.RemovePool(pool, slot =>
        {
            orphans++;
            ref var task = ref _tasks[slot];
            Check(task.InScheduler && task.Pool == pool, "an orphan of another pool");
            LeaveOrder(task, slot);
            LeaveScheduler(ref task);
            var live = task.Live;
            Check(_lifecycle.Drop(_table[slot]) == live, "drop disagrees about a tombstone");
            if (live)
            {
                Take(_queued, slot);
                End(slot, TaskState.Failed, CauseType.WorkerLost);
            }
        });
        Check(orphans == expected && _waiting[pool] == 0, "orphans are missing");
        _exists[pool] = false;
        _free[pool] = 0;
        for (var i = _running.Count - 1; i >= 0; i--)
        {
            var slot = _running[i];
            if (_tasks[slot].Pool == pool)
            {
                Take(_running, slot);
                End(slot, TaskState.Failed, CauseType.WorkerLost);
                GiveBack(slot);
            }
        }
    }

    private void GiveBack(int slot)
    {
        _scheduler.Finish(_tasks[slot].Pool, _tasks[slot].Taken, 0);
        _ownersRunning[_owners[_tasks[slot].Pool]]--;
        _out--;
    }

    /// <summary>Also below what is out, and back to no bound.</summary>
    private void ChangeNodeSlots()
    {
        _nodeSlots = _random.Next(3) == 0 ? Scheduler.Unbounded : _random.Next(1, 14);
        _scheduler.NodeSlots = _nodeSlots;
    }

    private void ChangeShare()
    {
        var owner = _random.Next(Tenants);
        var most = _random.Next(2) == 0 ? 0 : _random.Next(1, 9);
        _ownersMost[owner] = most == 0 ? int.MaxValue : most;
        _scheduler.SetShare(owner, new TenantShare(_random.Next(1, 1001), most));
    }

    private bool IsHeld(int pool) => _ownersRunning[_owners[pool]] >= _ownersMost[_owners[pool]];

    private void AdvanceClock()
    {
        _time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, MaxStepMs)));
        for (var i = 0; i < 30; i++)
        {
            _scheduler.Advance(); // a look moves a bounded number: enough turns for all
        }

        _lifecycle.Sweep(100);
        _lifecycle.EndBatch();
    }

    private void Finish()
    {
        while (_inScheduler > 0 || _running.Count > 0)
        {
            for (var pool = 0; pool < MaxPools; pool++)
            {
                if (_exists[pool] && _free[pool] < 1)
                {
                    _scheduler.AddSlots(pool, 1);
                    _free[pool]++;
                }
            }

            Dispatch();
            Complete(TaskState.Succeeded, CauseType.Exit, slotReturns: true);
        }

        CheckCounts();
        Check(_told == _submitted && _lifecycle.Counters.Total == _submitted, "tasks were lost");
        _time.Advance(TimeSpan.FromSeconds(1));
        _lifecycle.Sweep(int.MaxValue);
        Check(_lifecycle.Retained == 0 && _lifecycle.RetainedBytes == 0, "retention kept something past its time");
        var records = 0;
        while (_table.TryRentOwn(out _))
        {
            records++;
        }

        Check(records == MaxTasks, "records leaked");
    }

    private void CheckCounts()
    {
        Check(_scheduler.Queued == _inScheduler, "the count of queued tasks is off");
        Check(_scheduler.Outstanding == _out && _scheduler.NodeSlots == _nodeSlots, "the node's slots are off");
        for (var owner = 0; owner < Tenants; owner++)
        {
            Check(_scheduler.RunningOf(owner) == _ownersRunning[owner], "a tenant's running tasks are off");
        }

        Check(_lifecycle.Retained <= 40 && _lifecycle.RetainedBytes <= 10_000, "retention is over its bounds");
        for (var pool = 0; pool < MaxPools; pool++)
        {
            Check(!_exists[pool] || _scheduler.FreeSlots(pool) == _free[pool], "free slots are off");
        }
    }

    public void OnTaskEnded(ITaskView task, long token)
    {
        ref var model = ref _tasks[(int)token];
        Check(model.Live && model.Id == task.Id, "told an end of a task that does not live");
        model.Live = false;
        _told++;
    }

    public void OnBatchEnd()
    {
    }
}
