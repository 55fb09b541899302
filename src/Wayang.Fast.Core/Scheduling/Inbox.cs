using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>A task on its way to the scheduler: its slot, and all that the scheduler wants to know of it.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct InboxItem(int Task, int Pool, byte Level, int Tenant);

/// <summary>
/// Tasks on their way to the dispatch owner, which thus need not look at the records (cache lines of another core) to sort them.
/// <para>Producers: any number. Consumers: one at a time (the owner). Progress: <see cref="Push"/> is wait-free (one fetch-and-add,
/// one store); <see cref="Drain"/> does not wait for a producer: a place that was claimed and not yet filled is stepped over and
/// looked at again, as long as there are at most 16 of them and the oldest is not more than the bound of tasks behind. Then it takes nothing until that producer
/// goes on, which offers itself as owner after it: the next lap would come to its place.
/// Ordering: a push that returned before another began comes out first. Full cannot happen: a slot stands here at
/// most once, and there is room for twice all slots. Empty: Drain returns 0.</para>
/// <para>Memory: 8 bytes a place, eight to a cache line, written and read in sequence; the consumer writes none of
/// them. A place holds, from its lowest bit: slot (28), level (6), pool (14), tenant (15), and the parity of the lap (1), so
/// what the lap before left there reads as "not yet filled". Pools from 16,383 and tenants from 32,768 on do not fit: theirs
/// stand in an array by slot (8 bytes a slot), which the first of them allocates.</para>
/// </summary>
public sealed class Inbox
{
    private const int MaxHoles = 16;
    private const long ParityBit = long.MinValue;
    private const int SlotBits = 28;
    private const int LevelAt = SlotBits;
    private const int PoolAt = LevelAt + 6;
    private const int PoolBits = 14;
    private const int TenantAt = PoolAt + PoolBits;
    private const int TenantBits = 15;
    private const int WidePool = (1 << PoolBits) - 1; // pool and tenant stand in _wide

    private readonly long[] _places;
    private WideKey[]? _wide;
    private readonly int _mask;
    private readonly int _shift;
    private readonly int _maxTasks;
    private readonly long[] _holes = new long[MaxHoles];
    private int _emptyLooks;
    private Cursors _cursors;

    [StructLayout(LayoutKind.Sequential)]
    private struct WideKey
    {
        public int Pool;
        public int Tenant;
    }

    // 128 bytes apart (adjacent-line prefetch): producers write one, the owner the other.
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Cursors
    {
        // SYNC POINT: next place to claim; fetch-and-add by producers.
        [FieldOffset(128)]
        public long Tail;

        // SYNC POINT: next place to read; written by the owner after the places before it were read or noted as holes.
        [FieldOffset(256)]
        public long Head;

        // SYNC POINT: how many of _holes are in use.
        [FieldOffset(264)]
        public int HoleCount;
    }

    public Inbox(int maxTasks)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTasks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxTasks, 1 << SlotBits);
        _maxTasks = maxTasks;
        _places = new long[BitOperations.RoundUpToPowerOf2((uint)maxTasks * 2)];
        _mask = _places.Length - 1;
        _shift = BitOperations.Log2((uint)_places.Length);
    }

    /// <summary>
    /// Puts a task in. After it returns, the caller offers itself as dispatch owner (or knows that the owner looks at
    /// <see cref="IsEmpty"/> after it gave the ownership up); the interlocked operation of that offer orders the two.
    /// </summary>
    public void Push(int task, int pool, byte level, int tenant)
    {
        if ((uint)task >= (uint)_maxTasks || level >= Scheduler.Levels)
        {
            Throw(task, level);
        }

        var key = (uint)pool < WidePool && (uint)tenant < (1 << TenantBits)
            ? ((long)pool << PoolAt) | ((long)tenant << TenantAt)
            : PutWide(task, pool, tenant);
        Fill(Claim(), key | ((long)level << LevelAt) | (uint)task);
    }

    /// <summary>The first half of a push: a producer may be interrupted behind it.</summary>
    internal long Claim() => Interlocked.Increment(ref _cursors.Tail) - 1;

    /// <summary>The other half. SYNC POINT: pairs with the reads in Drain and IsEmpty.</summary>
    internal void Fill(long position, long item) => Volatile.Write(ref _places[(int)position & _mask], item | Parity(position));

    /// <summary>Pushes that were begun and not yet taken; any thread, a momentary value.</summary>
    public long Waiting => Math.Max(0, Volatile.Read(ref _cursors.Tail) - Volatile.Read(ref _cursors.Head)) + Volatile.Read(ref _cursors.HoleCount);

    /// <summary>Takes up to <paramref name="tasks"/>.Length tasks in their order. Owner only.</summary>
    public int Drain(Span<InboxItem> tasks)
    {
        // With holes: read before them, because what was claimed after a hole was filled must not come out before it.
        var limit = _cursors.HoleCount == 0 ? long.MaxValue : Volatile.Read(ref _cursors.Tail);
        var count = _cursors.HoleCount == 0 ? 0 : DrainHoles(tasks);
        if (_cursors.HoleCount != 0)
        {
            // Behind the head there are no more than all tasks: so far from the oldest hole, nobody claims its place again.
            limit = Math.Min(limit, _holes[0] + _maxTasks);
        }

        count += DrainPlaces(tasks[count..], limit);
        if (count == 0 && MayStandBehindHole() && _cursors.HoleCount < MaxHoles)
        {
            limit = Math.Min(limit, Volatile.Read(ref _cursors.Tail)); // with older holes the earlier limit stays
            while (count == 0 && TryStepOver(limit))
            {
                count = DrainPlaces(tasks, limit);
            }
        }

        return count;
    }

    /// <summary>
    /// Whether no finished push waits. Any thread; meant for the one that just gave the ownership up, after a full fence: a push that
    /// it does not see will offer itself.
    /// </summary>
    public bool IsEmpty
    {
        get
        {
            var holes = Volatile.Read(ref _cursors.HoleCount);
            for (var i = 0; i < holes; i++)
            {
                if (IsFilled(Volatile.Read(ref _holes[i])))
                {
                    return false;
                }
            }

            // Places are claimed in order: if the next one is not filled, a later one may be, behind a stalled producer.
            var head = Volatile.Read(ref _cursors.Head);
            var tail = Volatile.Read(ref _cursors.Tail);
            return !IsFilled(head) && tail - head <= 1;
        }
    }

    // Laps alternate between the bit set and clear; the first has it set, because fresh memory is clear.
    private long Parity(long position) => (~position << (63 - _shift)) & ParityBit;

    private bool IsFilled(long position) => (Volatile.Read(ref _places[(int)position & _mask]) ^ Parity(position)) >= 0;

    private InboxItem Item(long place)
    {
        var task = (int)place & ((1 << SlotBits) - 1);
        var level = (byte)((place >> LevelAt) & (Scheduler.Levels - 1));
        var pool = (int)(place >> PoolAt) & WidePool;
        return pool != WidePool ? new InboxItem(task, pool, level, (int)(place >> TenantAt)) : Wide(task, level);
    }

    private InboxItem Wide(int task, byte level)
    {
        ref readonly var wide = ref _wide![task];
        return new InboxItem(task, wide.Pool, level, wide.Tenant);
    }

    private long PutWide(int task, int pool, int tenant)
    {
        var wide = Volatile.Read(ref _wide);
        if (wide is null)
        {
            // SYNC POINT: one of the producers that come first wins, the store of the place publishes it to the owner.
            wide = new WideKey[_maxTasks];
            wide = Interlocked.CompareExchange(ref _wide, wide, null) ?? wide;
        }

        wide[task] = new WideKey { Pool = pool, Tenant = tenant };
        return (long)WidePool << PoolAt;
    }

    [DoesNotReturn]
    private void Throw(int task, byte level) =>
        throw new ArgumentOutOfRangeException(nameof(task), $"slot {task} of {_maxTasks} at level {level}");

    /// <summary>Takes filled places up to the first that is not.</summary>
    private int DrainPlaces(Span<InboxItem> tasks, long limit)
    {
        var places = _places;
        var head = _cursors.Head;
        var count = 0;
        while (count < tasks.Length && head < limit)
        {
            var value = Volatile.Read(ref places[(int)head & _mask]) ^ Parity(head);
            if (value < 0)
            {
                break;
            }

            tasks[count++] = Item(value);
            head++;
        }

        if (count > 0)
        {
            Volatile.Write(ref _cursors.Head, head);
        }

        return count;
    }

    /// <summary>
    /// Nothing came: is that a claimed place in front of filled ones? The answer is in the producers' cursor, and to look there at
    /// each turn of a spinning owner would slow them: the next place is looked at first, the cursor every 16th time.
    /// </summary>
    private bool MayStandBehindHole() => IsFilled(_cursors.Head + 1) || (++_emptyLooks & 15) == 0;

    /// <summary>Notes the next place as a hole if it is unfilled and a later one was claimed: its producer was interrupted between claim and store.</summary>
    private bool TryStepOver(long limit)
    {
        var head = _cursors.Head;
        var holes = _cursors.HoleCount;
        if (head + 1 >= limit || holes == MaxHoles || (holes > 0 && head - _holes[0] >= _maxTasks))
        {
            return false;
        }

        if (!IsFilled(head))
        {
            _holes[holes] = head;
            Volatile.Write(ref _cursors.HoleCount, holes + 1);
            Volatile.Write(ref _cursors.Head, head + 1);
        }

        return true;
    }

    private int DrainHoles(Span<InboxItem> tasks)
    {
        var count = 0;
        var kept = 0;
        for (var i = 0; i < _cursors.HoleCount; i++)
        {
            var position = _holes[i];
            var value = Volatile.Read(ref _places[(int)position & _mask]) ^ Parity(position);
            if (value >= 0 && count < tasks.Length)
            {
                tasks[count++] = Item(value);
            }
            else
            {
                _holes[kept++] = position;
            }
        }

        Volatile.Write(ref _cursors.HoleCount, kept);
        return count;
    }
}
