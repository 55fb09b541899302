using System.Numerics;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>
/// Takes the place of <see cref="ReadyPools"/> from the moment that two tenants have pools, or one has a bound of running tasks:
/// the ready pools of a level stand in a ring per tenant, and the tenants of a level in a heap by how much of the node's slots they have
/// had, so whichever pools a tenant has, its part of the slots follows its weight.
/// <para>What counts is slot time, per tenant and class of the level that a task was taken from: at its start a task is charged
/// what the tenant's tasks took lately (else several free slots would all go to the one that is behind), at its end what
/// it took. Divided by the weight that is the account's virtual time; the lowest goes first. Deficit round robin would need either quanta as long as the longest
/// task or many rounds per choice; this needs one move in a heap of the tenants that wait at that level (1 to 3 steps for up to 8).</para>
/// <para>Nobody saves up: whoever comes back after having had nothing running begins where the class is; whoever has tasks running but was
/// held by its own pools may be <see cref="MaxCredit"/> behind at most, and nobody more than <see cref="MaxDebt"/> ahead.</para>
/// Owner only. No allocation but when tenants or pools reach a new height.
/// </summary>
internal sealed class FairShares
{
    /// <summary>Seconds of slot time at the default weight.</summary>
    public const double MaxCredit = 1;
    public const double MaxDebt = 60;

    private const int None = -1;
    private const int Classes = 5;
    private const double LeastCost = 1e-6;
    private const double Smoothing = 1.0 / 8;

    private readonly double _secondsPerTick;
    private readonly double[] _classTime = new double[Classes]; // virtual time of who is furthest behind of those that wait, never back
    private readonly int[] _heapCounts = new int[Scheduler.Levels];
    private Tenant[] _tenants = [];
    private Account[] _accounts = []; // tenant, class
    private Seat[] _seats = []; // tenant, level
    private Link[] _links = []; // pool
    private int[] _heaps = []; // level, place: a tenant
    private ulong _levels; // with a heap that is not empty

    [StructLayout(LayoutKind.Auto)]
    private struct Tenant
    {
        public double VirtualPerSecond;
        public ulong Levels; // where it has ready pools
        public int Running;
        public int MaxRunning;
        public bool Held; // at its bound: it stands in no heap
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Account
    {
        public double Charged; // virtual, of tasks that ended
        public double Estimate; // seconds, of one task
        public double Key; // Charged, and the estimate of those that run
        public int Running;
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Seat
    {
        public int Pool; // whose turn it is; None: no ready pool
        public int Place; // in the level's heap
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Link
    {
        public int Next;
        public int Previous;
    }

    public FairShares(long ticksPerSecond) => _secondsPerTick = 1.0 / ticksPerSecond;

    public bool IsEmpty => _levels == 0;

    public int HighestLevel => BitOperations.Log2(_levels);

    /// <summary>Makes room.</summary>
    public void Reserve(int tenants, int pools)
    {
        if (pools > _links.Length)
        {
            Array.Resize(ref _links, (int)BitOperations.RoundUpToPowerOf2((uint)pools));
        }

        var before = _tenants.Length;
        if (tenants <= before)
        {
            return;
        }

        var size = (int)BitOperations.RoundUpToPowerOf2((uint)tenants);
        var heaps = new int[Scheduler.Levels * size];
        for (var level = 0; level < Scheduler.Levels; level++)
        {
            _heaps.AsSpan(level * before, _heapCounts[level]).CopyTo(heaps.AsSpan(level * size));
        }

        _heaps = heaps;
        Array.Resize(ref _tenants, size);
        Array.Resize(ref _accounts, size * Classes);
        Array.Resize(ref _seats, size * Scheduler.Levels);
        _tenants.AsSpan(before).Fill(new Tenant { VirtualPerSecond = 1, MaxRunning = int.MaxValue });
        _seats.AsSpan(before * Scheduler.Levels).Fill(new Seat { Pool = None, Place = None });
    }

    /// <param name="tenant">Its number in the scheduler.</param>
    /// <param name="weight">1 to 1000.</param>
    /// <param name="maxRunning">Tasks at once; at least 1.</param>
    public void Set(int tenant, int weight, int maxRunning)
    {
        ref var entry = ref _tenants[tenant];
        entry.VirtualPerSecond = (double)TenantShare.DefaultWeight / weight;
        entry.MaxRunning = maxRunning;
        HoldOrLetGo(tenant, ref entry);
    }

    /// <summary>The tasks that ran before anybody counted: all of the one tenant that there was.</summary>
    public void Begin(int tenant, int running)
    {
        _tenants[tenant].Running = running;
        HoldOrLetGo(tenant, ref _tenants[tenant]);
    }

    public int RunningOf(int tenant) => tenant < _tenants.Length ? Volatile.Read(ref _tenants[tenant].Running) : 0;

    public bool IsHeld(int tenant) => tenant < _tenants.Length && Volatile.Read(ref _tenants[tenant].Held);

    /// <summary>The pool whose turn it is at a level that has one.</summary>
    public int Next(int level)
    {
        var tenant = _heaps[level * _tenants.Length];
        ref var seat = ref _seats[(tenant * Scheduler.Levels) + level];
        var pool = seat.Pool;
        seat.Pool = _links[pool].Next;
        return pool;
    }

    /// <summary>A task takes a slot without having waited.</summary>
    public void Pass(int tenant, int level)
    {
        var at = ClassAt(level);
        ref var account = ref _accounts[(tenant * Classes) + at];
        Raise(ref account, _classTime[at] - (account.Running == 0 ? 0 : MaxCredit));
        Start(tenant, level);
    }

    /// <summary>A task of the tenant takes a slot.</summary>
    public void Start(int tenant, int level)
    {
        var at = ClassAt(level);
        ref var account = ref _accounts[(tenant * Classes) + at];
        _classTime[at] = Math.Max(_classTime[at], LowestOf(at, account.Key));
        account.Running++;
        ref var entry = ref _tenants[tenant];
        entry.Running++;
        Price(tenant, ref entry, ref account, at);
        HoldOrLetGo(tenant, ref entry);
    }

    /// <param name="tenant">Whose task it was.</param>
    /// <param name="level">As given to <see cref="Start"/>.</param>
    /// <param name="ticks">How long it had the slot; negative: it never ran.</param>
    public void Finish(int tenant, int level, long ticks)
    {
        var at = ClassAt(level);
        ref var account = ref _accounts[(tenant * Classes) + at];
        ref var entry = ref _tenants[tenant];
        account.Running = Math.Max(0, account.Running - 1); // those of before Begin are of no class
        entry.Running--;
        if (ticks >= 0)
        {
            var cost = Math.Max(LeastCost, ticks * _secondsPerTick);
            account.Charged = Math.Min(account.Charged + (cost * entry.VirtualPerSecond), Math.Max(account.Charged, _classTime[at] + MaxDebt));
            account.Estimate = account.Estimate == 0 ? cost : account.Estimate + ((cost - account.Estimate) * Smoothing);
        }

        Price(tenant, ref entry, ref account, at);
        HoldOrLetGo(tenant, ref entry);
    }

    /// <summary>From one level to another one, or from or to none.</summary>
    public void Move(int pool, int tenant, int from, int to)
    {
        ref var entry = ref _tenants[tenant];
        if (from >= 0)
        {
            Leave(pool, tenant, ref entry, from);
        }

        if (to >= 0)
        {
            Enter(pool, tenant, ref entry, to, comesBack: from < 0 || ClassAt(from) != ClassAt(to));
        }
    }

    private void Leave(int pool, int tenant, ref Tenant entry, int level)
    {
        ref var seat = ref _seats[(tenant * Scheduler.Levels) + level];
        var (next, previous) = (_links[pool].Next, _links[pool].Previous);
        if (next == pool)
        {
            seat.Pool = None;
            entry.Levels &= ~(1UL << level);
            if (seat.Place >= 0)
            {
                Remove(level, tenant);
            }

            return;
        }

        _links[previous].Next = next;
        _links[next].Previous = previous;
        seat.Pool = seat.Pool == pool ? next : seat.Pool;
    }

    private void Enter(int pool, int tenant, ref Tenant entry, int level, bool comesBack)
    {
        ref var seat = ref _seats[(tenant * Scheduler.Levels) + level];
        if (seat.Pool != None)
        {
            var current = seat.Pool;
            var last = _links[current].Previous;
            _links[pool] = new Link { Next = current, Previous = last };
            _links[last].Next = pool;
            _links[current].Previous = pool;
            return;
        }

        _links[pool] = new Link { Next = pool, Previous = pool };
        seat.Pool = pool;
        var at = ClassAt(level);
        if (comesBack && (entry.Levels & LevelsOf(at)) == 0)
        {
            ref var account = ref _accounts[(tenant * Classes) + at];
            Raise(ref account, _classTime[at] - (account.Running == 0 ? 0 : MaxCredit));
        }

        entry.Levels |= 1UL << level;
        if (!entry.Held)
        {
            Insert(level, tenant);
        }
    }

    /// <summary>
    /// The key of who is furthest behind, of one that is served and those that wait at any level of the class. Who is served at a higher level, where ageing lifted it, may be
    /// far ahead of them: were that taken for the time of the class, all that come back or are let go would be set behind those that waited.
    /// </summary>
    private double LowestOf(int at, double key)
    {
        for (var levels = _levels & LevelsOf(at); levels != 0; levels &= levels - 1)
        {
            key = Math.Min(key, KeyOf(_heaps[BitOperations.TrailingZeroCount(levels) * _tenants.Length], at));
        }

        return key;
    }

    private static void Raise(ref Account account, double least)
    {
        if (account.Key < least)
        {
            account.Charged += least - account.Key;
            account.Key = least;
        }
    }

    /// <summary>Gives the account its key, and its seats their places.</summary>
    private void Price(int tenant, ref Tenant entry, ref Account account, int at)
    {
        account.Key = account.Charged + (account.Running * Math.Max(LeastCost, account.Estimate) * entry.VirtualPerSecond);
        if (entry.Held)
        {
            return;
        }

        for (var levels = entry.Levels & LevelsOf(at); levels != 0; levels &= levels - 1)
        {
            var level = BitOperations.TrailingZeroCount(levels);
            Sift(level, _seats[(tenant * Scheduler.Levels) + level].Place);
        }
    }

    private void HoldOrLetGo(int tenant, ref Tenant entry)
    {
        var held = entry.Running >= entry.MaxRunning;
        if (held == entry.Held)
        {
            return;
        }

        entry.Held = held;
        for (var at = 0; at < Classes && !held; at++)
        {
            Raise(ref _accounts[(tenant * Classes) + at], _classTime[at] - MaxCredit);
        }

        for (var levels = entry.Levels; levels != 0; levels &= levels - 1)
        {
            var level = BitOperations.TrailingZeroCount(levels);
            if (held)
            {
                Remove(level, tenant);
            }
            else
            {
                Insert(level, tenant);
            }
        }
    }

    private void Insert(int level, int tenant)
    {
        var place = _heapCounts[level]++;
        Put(level, place, tenant);
        _levels |= 1UL << level;
        Sift(level, place);
    }

    private void Remove(int level, int tenant)
    {
        ref var seat = ref _seats[(tenant * Scheduler.Levels) + level];
        var place = seat.Place;
        seat.Place = None;
        var last = --_heapCounts[level];
        if (last == 0)
        {
            _levels &= ~(1UL << level);
        }

        if (place != last)
        {
            Put(level, place, _heaps[(level * _tenants.Length) + last]);
            Sift(level, place);
        }
    }

    /// <summary>Moves what stands at a place to where its key belongs.</summary>
    private void Sift(int level, int place)
    {
        var heap = _heaps.AsSpan(level * _tenants.Length, _heapCounts[level]);
        var at = ClassAt(level);
        var tenant = heap[place];
        var key = KeyOf(tenant, at);
        while (place > 0 && key < KeyOf(heap[(place - 1) >> 1], at))
        {
            Put(level, place, heap[(place - 1) >> 1]);
            place = (place - 1) >> 1;
        }

        for (int child; (child = (place << 1) + 1) < heap.Length; place = child)
        {
            child += child + 1 < heap.Length && KeyOf(heap[child + 1], at) < KeyOf(heap[child], at) ? 1 : 0;
            // Equal keys: those that were not served just now go first.
            if (key < KeyOf(heap[child], at))
            {
                break;
            }

            Put(level, place, heap[child]);
        }

        Put(level, place, tenant);
    }

    private double KeyOf(int tenant, int at) => _accounts[(tenant * Classes) + at].Key;

    private void Put(int level, int place, int tenant)
    {
        _heaps[(level * _tenants.Length) + place] = tenant;
        _seats[(tenant * Scheduler.Levels) + level].Place = place;
    }

    private static int ClassAt(int level) => (level + 8) >> 4; // idle has half of the others' levels

    private static ulong LevelsOf(int at) => at switch
    {
        0 => 0xFFUL,
        4 => 0xFFUL << 56,
        _ => 0xFFFFUL << ((at << 4) - 8),
    };
}
