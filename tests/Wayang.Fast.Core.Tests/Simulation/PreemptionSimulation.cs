using System.Runtime.InteropServices;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <summary>
/// A node whose slots are lent: the scheduler and the book as the runtime drives them, over pools with bounds of their own and a bound of the node, with
/// tasks that come, end, are cancelled while they are frozen, and lie about their memory. A model beside it knows who has which slot.
/// </summary>
internal sealed class PreemptionSimulation
{
    private const int Pools = 3;
    private const int SlotsOfPool = 4;
    private const int MaxFrozen = 5;
    private const long MaxBytes = 1_000;
    private const int TickMs = 1;
    private static readonly byte[] s_levels = [4, 12, 16, 32, 44, 48];

    private readonly Random _random;
    private readonly ManualTime _time = new();
    private readonly Scheduler _scheduler;
    private readonly PreemptionBook _book = new(1_000);
    private readonly Stack<int> _free = new();
    private readonly SimulatedTask[] _tasks = new SimulatedTask[400];
    private readonly List<int> _running = [];
    private readonly int _nodeSlots;
    private readonly long _longest;
    private long _now;
    private long _lent;
    private int _highestStarted;
    private long _ended;

    public PreemptionSimulation(int seed)
    {
        _random = new Random(seed);
        _nodeSlots = _random.Next(3) == 0 ? Scheduler.Unbounded : 4 + _random.Next(6);
        _scheduler = new Scheduler(new SchedulerOptions(_tasks.Length) { BatchBound = TimeSpan.Zero, IdleBound = TimeSpan.Zero, NormalBound = TimeSpan.Zero, UrgentBound = TimeSpan.Zero }, _time, seed)
        {
            NodeSlots = _nodeSlots,
        };
        _longest = 5 + _random.Next(_random.Next(2) == 0 ? 40 : 4_000);
        _book.Policy = new PreemptionPolicy { MaxTasks = MaxFrozen, MaxBytes = MaxBytes, Longest = TimeSpan.FromMilliseconds(_longest) };
        for (var pool = 0; pool < Pools; pool++)
        {
            _scheduler.AddPool();
            _scheduler.AddSlots(pool, SlotsOfPool);
        }

        for (var task = 0; task < _tasks.Length; task++)
        {
            _free.Push(task);
        }
    }

    private enum Where
    {
        Nowhere,
        Waiting,
        Running,
        Frozen,
    }

    public string Report => FormattableString.Invariant($"{_ended} ends, {_book.Freezes} freezes, {_book.Thaws} thaws, {_book.EndedFrozen} ended frozen, {_book.RefusedFor(PreemptionVerdict.TooManyTasks)} + {_book.RefusedFor(PreemptionVerdict.TooManyBytes)} refused for bounds, {_book.RefusedFor(PreemptionVerdict.FrozenLongEnough)} for time");

    public void Run(long steps)
    {
        for (var step = 0L; step < steps; step++)
        {
            Step();
        }

        while (_running.Count > 0 || _scheduler.Queued > 0)
        {
            EndOne();
            Serve();
        }

        Check(_book is { Count: 0, Bytes: 0 } && _scheduler.Outstanding == 0, "all is given back");
        Check(_book.Freezes == _book.Thaws + _book.EndedFrozen, "each freeze has one end");
        Check(_book is { Freezes: > 0, EndedFrozen: > 0 } && _lent > 0, "something was frozen");
    }

    private void Step()
    {
        _now += TickMs;
        _time.Advance(TimeSpan.FromMilliseconds(TickMs));
        if (_random.Next(2) == 0 && _free.TryPop(out var task))
        {
            var pool = _random.Next(Pools);
            _tasks[task] = new SimulatedTask { At = Where.Waiting, Pool = pool, Level = s_levels[_random.Next(s_levels.Length)], Bytes = _random.Next(400), Since = _now };
            _scheduler.Enqueue(task, pool, _tasks[task].Level, tenant: 0);
        }
        else if (_running.Count > 0 && _random.Next(10) < 7)
        {
            EndOne();
        }

        Serve();
        Verify();
    }

    private void EndOne()
    {
        if (_running.Count == 0)
        {
            return;
        }

        var place = _random.Next(_running.Count);
        var task = _running[place];
        ref var one = ref _tasks[task];
        if (one.At == Where.Frozen && _random.Next(20) != 0)
        {
            return; // few are cancelled while they stand still
        }

        if (one.At == Where.Frozen)
        {
            Retake(task, ended: true);
        }

        _scheduler.AddSlots(one.Pool, 1);
        _scheduler.Finish(one.Pool, one.Level, 1);
        _running[place] = _running[^1];
        _running.RemoveAt(_running.Count - 1);
        one.At = Where.Nowhere;
        _free.Push(task);
        _ended++;
    }

    /// <summary>As the dispatch owner's round: who may go on goes on, one start at a time; then whoever must yields.</summary>
    private void Serve()
    {
        do
        {
            Dispatch();
        }
        while (FreezeOne());
    }

    private void Dispatch()
    {
        while (true)
        {
            ThawAll();
            var highest = HighestThatCouldGo();
            if (!_scheduler.TryDequeue(out var item))
            {
                Check(highest < 0, "nothing goes though something could");
                return;
            }

            ref var one = ref _tasks[item.Task];
            Check(one.At == Where.Waiting && one.Level == highest, "it goes that is the highest");
            one.At = Where.Running;
            one.Started = _now;
            _highestStarted = Math.Max(_highestStarted, one.Level);
            _running.Add(item.Task);
        }
    }

    private void ThawAll()
    {
        for (var again = true; again;)
        {
            again = false;
            foreach (var frozen in _book.InThawOrder(_now).ToArray())
            {
                ref var one = ref _tasks[frozen.Key];
                _scheduler.TryPeekNext(one.Pool, out _, out var waiting);
                waiting = _nodeSlots == Scheduler.Unbounded ? waiting : Math.Max(waiting, _scheduler.HighestReady());
                var slot = _scheduler.FreeSlots(one.Pool) > 0 && !_scheduler.IsNodeFull;
                if (_book.MayThaw(frozen, new ThawRoom(slot, waiting), _now))
                {
                    Check(slot && (one.Level >= waiting || one.FrozenFor + _now - one.FrozenAt >= _longest), "nothing of a higher level waits, or it was frozen long enough");
                    Retake((int)frozen.Key, ended: false);
                    one.At = Where.Running;
                    again = true;
                    break;
                }
            }
        }
    }

    private void Retake(int task, bool ended)
    {
        ref var one = ref _tasks[task];
        one.FrozenFor = _book.Remove(task, _now, ended);
        Check(one.FrozenFor >= _now - one.FrozenAt, "the book knew it");
        _scheduler.AddSlots(one.Pool, -1);
        _scheduler.Retake(one.Pool, one.Level);
    }

    private bool FreezeOne()
    {
        for (var pool = 0; pool < Pools; pool++)
        {
            if (!_scheduler.TryPeekNext(pool, out _, out var level))
            {
                continue;
            }

            var anywhere = _scheduler.FreeSlots(pool) > 0;
            var victims = _running.Where(r => _tasks[r].At == Where.Running && (anywhere || _tasks[r].Pool == pool)).ToArray();
            var candidates = victims.Select(v => new PreemptionCandidate(v, _tasks[v].Level, _now - _tasks[v].Started, _tasks[v].Bytes, _tasks[v].FrozenFor)).ToArray();
            if (_book.Choose((byte)level, candidates, out var index) != PreemptionVerdict.Chosen)
            {
                continue;
            }

            var victim = victims[index];
            ref var one = ref _tasks[victim];
            Check(one.Level < 24 && level >= 40 && one.FrozenFor < _longest, "only batch and idle yield, to urgent, and not for ever");
            Check(_book.Count < MaxFrozen && _book.Bytes + one.Bytes <= MaxBytes, "within the bounds");
            (one.At, one.FrozenAt) = (Where.Frozen, _now);
            _book.Freeze(new FrozenTask(victim, one.Level, one.Bytes, _now, one.FrozenFor));
            _scheduler.AddSlots(one.Pool, 1);
            _scheduler.Finish(one.Pool, one.Level, 1);
            _lent++;
            var due = _book.InThawOrder(_now).ToArray().Any(f => _book.IsDue(f, _now));
            _highestStarted = -1;
            Dispatch();
            Check(due || _highestStarted >= level, "the slot is for the one that it was lent for, or a higher one that could use it too");
            return true;
        }

        return false;
    }

    private int HighestThatCouldGo()
    {
        var highest = -1;
        for (var pool = 0; pool < Pools && !_scheduler.IsNodeFull; pool++)
        {
            if (_scheduler.FreeSlots(pool) > 0 && _scheduler.TryPeekNext(pool, out _, out var level))
            {
                highest = Math.Max(highest, level);
            }
        }

        return highest;
    }

    /// <summary>No slot has two tasks, none is lost, and nothing stands still that could go on.</summary>
    private void Verify()
    {
        var inPool = new int[Pools];
        long bytes = 0;
        foreach (var task in _running)
        {
            inPool[_tasks[task].Pool] += _tasks[task].At == Where.Running ? 1 : 0;
            bytes += _tasks[task].At == Where.Frozen ? _tasks[task].Bytes : 0;
        }

        for (var pool = 0; pool < Pools; pool++)
        {
            Check(inPool[pool] + _scheduler.FreeSlots(pool) == SlotsOfPool && inPool[pool] <= SlotsOfPool, "as many tasks run as the pool has slots");
        }

        Check(inPool.Sum() == _scheduler.Outstanding && _scheduler.Outstanding <= _nodeSlots, "as many tasks run as the node has slots");
        Check(bytes == _book.Bytes && _book.Count <= MaxFrozen && bytes <= MaxBytes, "frozen memory is counted");
        foreach (var frozen in _book.InThawOrder(_now))
        {
            var pool = _tasks[frozen.Key].Pool;
            Check(_scheduler.QueuedIn(pool) > 0 || _scheduler.FreeSlots(pool) == 0 || _scheduler.IsNodeFull, "nothing stands still beside a slot that nobody wants");
        }
    }

    private static void Check(bool condition, string what)
    {
        if (!condition)
        {
            throw new Xunit.Sdk.XunitException(what);
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private struct SimulatedTask
    {
        public Where At;
        public int Pool;
        public byte Level;
        public long Bytes;
        public long Since;
        public long Started;
        public long FrozenAt;
        public long FrozenFor;
    }
}
