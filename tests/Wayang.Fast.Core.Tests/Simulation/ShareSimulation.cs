using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <summary>
/// A node under saturation for a long time: tenants with random weights, numbers of pools, lengths of tasks and bounds, a few slots, and ageing.
/// Where nothing but the weights limits a tenant, its slot time follows them; nobody is over a bound; nobody waits past the ladder of ageing.
/// </summary>
internal sealed class ShareSimulation
{
    private const int Depth = 6;
    private const int Level = 30;
    private const int IdleLevel = 2;

    private readonly Random _random;
    private readonly ManualTime _time = new();
    private readonly Scheduler _scheduler;
    private readonly SchedulerOptions _options;
    private readonly PriorityQueue<(ScheduledTask Task, long Began), long> _running = new();
    private readonly Member[] _members;
    private readonly int[] _memberOf;
    private readonly long[] _since;
    private readonly Stack<int> _unused = new();
    private readonly int _slots;
    private long _now;
    private long _idleServed;
    private long _longestIdle;

    private sealed class Member
    {
        public int Weight;
        public int MaxRunning;
        public int[] Pools = [];
        public int Shortest;
        public int Longest;
        public int Running;
        public long Served;
    }

    public ShareSimulation(int seed)
    {
        _random = new Random(seed);
        _slots = _random.Next(1, 9);
        _members = new Member[_random.Next(2, 7)];
        _options = new SchedulerOptions(10_000)
        {
            IdleBound = TimeSpan.FromSeconds(20), BatchBound = TimeSpan.FromSeconds(10), NormalBound = TimeSpan.FromMinutes(60), UrgentBound = TimeSpan.FromSeconds(5),
        };
        _scheduler = new Scheduler(_options, _time, seed) { NodeSlots = _slots };
        _memberOf = new int[_members.Length * 4];
        _since = new long[10_000];
        for (var task = 0; task < _since.Length; task++)
        {
            _unused.Push(task);
        }

        for (var i = 0; i < _members.Length; i++)
        {
            var shortest = _random.Next(1, 30);
            var member = _members[i] = new Member { Weight = _random.Next(1, 1001), Shortest = shortest, Longest = shortest + _random.Next(1, 60) };
            member.MaxRunning = i > 0 && _random.Next(3) == 0 ? _random.Next(1, _slots + 2) : 0;
            member.Pools = new int[_random.Next(1, 5)];
            for (var p = 0; p < member.Pools.Length; p++)
            {
                member.Pools[p] = _scheduler.AddPool(i);
                _memberOf[member.Pools[p]] = i;
                _scheduler.AddSlots(member.Pools[p], _slots + 1);
            }

            _scheduler.SetShare(i, new TenantShare(member.Weight, member.MaxRunning));
        }
    }

    public string Report => $"{_slots} slots, weights {string.Join(':', _members.Select(static m => m.Weight))}, bounds {string.Join(':', _members.Select(static m => m.MaxRunning))}, "
        + $"{_idleServed} idle tasks, the longest wait {_longestIdle} ms";

    public void Run(long ends)
    {
        Offer(_members[0].Pools[0], IdleLevel);
        for (long ended = 0; ended < ends; ended++)
        {
            foreach (var pool in _members.SelectMany(static m => m.Pools))
            {
                while (_scheduler.QueuedIn(pool) < Depth)
                {
                    Offer(pool, Level);
                }
            }

            while (_scheduler.TryDequeue(out var item))
            {
                Start(item);
            }

            End();
        }

        CheckShares();
        Check(_idleServed > 0, "an idle task starved");
    }

    private void Offer(int pool, byte level)
    {
        var task = _unused.Pop();
        _since[task] = level == IdleLevel ? _now : -1;
        _scheduler.Enqueue(task, pool, level, _memberOf[pool]);
    }

    private void Start(ScheduledTask item)
    {
        var member = _members[_memberOf[item.Pool]];
        member.Running++;
        Check(member.MaxRunning == 0 || member.Running <= member.MaxRunning, "a tenant is over its bound");
        Check(_running.Count < _slots, "the node is over its bound");
        _running.Enqueue((item, _now), _now + _random.Next(member.Shortest, member.Longest + 1));
        if (_since[item.Task] < 0)
        {
            return;
        }

        var waited = _now - _since[item.Task];
        _longestIdle = Math.Max(_longestIdle, waited);
        _idleServed++;
        Check(item.Level < 56, "lifted into system");
        Check(waited <= (_options.IdleBound + _options.BatchBound + _options.UrgentBound).TotalMilliseconds + 1_000 || IsHeldByOwner(member), "an idle task waited past its bound");
        Offer(item.Pool, IdleLevel);
    }

    // Its own tenant's bound may keep a task longer; tenant 0, whose the idle ones are, has none.
    private static bool IsHeldByOwner(Member member) => member.MaxRunning != 0;

    private void End()
    {
        _running.TryDequeue(out var ended, out var at);
        _time.Advance(TimeSpan.FromMilliseconds(at - _now));
        _now = at;
        var member = _members[_memberOf[ended.Task.Pool]];
        member.Running--;
        member.Served += at - ended.Began;
        _unused.Push(ended.Task.Task);
        _scheduler.AddSlots(ended.Task.Pool, 1);
        _scheduler.Finish(ended.Task.Pool, ended.Task.Level, (at - ended.Began) * TimeSpan.TicksPerMillisecond);
    }

    /// <summary>The fair part of each: by weight, and what a bound keeps from one goes to the others by theirs.</summary>
    private void CheckShares()
    {
        var expected = new double[_members.Length];
        var left = (double)_slots;
        var open = Enumerable.Range(0, _members.Length).ToList();
        for (var again = true; again;)
        {
            var sum = open.Sum(i => _members[i].Weight);
            again = false;
            foreach (var i in open.Where(i => _members[i].MaxRunning != 0 && _members[i].MaxRunning <= left * _members[i].Weight / sum).ToList())
            {
                expected[i] = _members[i].MaxRunning;
                left -= expected[i];
                open.Remove(i);
                again = true;
                break;
            }
        }

        var rest = open.Sum(i => _members[i].Weight);
        var served = (double)_members.Sum(static m => m.Served);
        foreach (var i in open)
        {
            expected[i] = left * _members[i].Weight / rest;
        }

        var all = expected.Sum(); // less than the slots where every tenant is at its bound
        for (var i = 0; i < _members.Length; i++)
        {
            var part = _members[i].Served / served;
            var fair = expected[i] / all;
            Check(Math.Abs(part - fair) <= Math.Max(0.05 * fair, 0.002), FormattableString.Invariant($"tenant {i} has {part:P2} of the slots instead of {fair:P2}"));
        }
    }

    private static void Check(bool condition, string what)
    {
        if (!condition)
        {
            throw new Xunit.Sdk.XunitException(what);
        }
    }
}
