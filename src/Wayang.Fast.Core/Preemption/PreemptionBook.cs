using System.Runtime.InteropServices;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Preemption;

/// <summary>
/// Decides who is frozen when a higher class finds no slot, and who goes on when one is free: a pure state machine, whose times its owner says.
/// <code>
/// freeze   of those of the lowest class: the least run time x memory held (little is kept waiting, little memory is tied up)
/// thaw     who was frozen for as long as may be, the longest first; then by level, and among equals who was frozen first
///          - if nothing of a higher level waits for the slot, or it has been frozen long enough
/// bounds   tasks, bytes: beyond them the higher class waits as without preemption
/// guard    what ageing lifted keeps its slot for as long as it waited for a lift, and at most as long as it may be frozen: else it would lose
///          at once to those whom it was lifted past. Against nobody else: under a backlog all that runs has been lifted
/// </code>
/// No task is frozen for ever: <see cref="PreemptionPolicy.Longest"/> counts over all its freezes, then it takes the next slot that is free and is no
/// victim any more. The dispatch owner's; counters are read by anybody.
/// </summary>
public sealed class PreemptionBook(long ticksPerSecond)
{
    private readonly List<FrozenTask> _frozen = [];
    private readonly long[] _refused = new long[Enum.GetValues<PreemptionVerdict>().Length];
    private PreemptionPolicy _policy = new();
    private long _longest = 60 * ticksPerSecond;
    private long _bytes;
    private long _freezes;
    private long _thaws;
    private long _endedFrozen;

    /// <summary>Replaced while tasks are frozen: they stay so until they may go on.</summary>
    public PreemptionPolicy Policy
    {
        get => _policy;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _policy = value;
            _longest = (long)(value.Longest.TotalSeconds * ticksPerSecond);
        }
    }

    /// <summary>Memory that frozen tasks may hold where the policy does not say.</summary>
    public long DefaultMaxBytes { get; set; } = long.MaxValue;

    public int Count => _frozen.Count;

    public long Bytes => Volatile.Read(ref _bytes);

    public long Freezes => Volatile.Read(ref _freezes);

    public long Thaws => Volatile.Read(ref _thaws);

    /// <summary>Tasks that ended while they were frozen.</summary>
    public long EndedFrozen => Volatile.Read(ref _endedFrozen);

    /// <summary>How often a higher class found nobody to freeze, by why.</summary>
    public long RefusedFor(PreemptionVerdict verdict) => Volatile.Read(ref _refused[(int)verdict]);

    /// <summary>Times in ticks from a freeze to its end.</summary>
    public LatencyHistogram FrozenTime { get; } = new();

    /// <summary>Chooses whom to freeze for a task that waits; nothing is changed but the counter of refusals.</summary>
    /// <param name="level">Of the task that waits, its own.</param>
    /// <param name="candidates">What runs on slots that would do.</param>
    /// <param name="index">The chosen one's, or -1.</param>
    public PreemptionVerdict Choose(byte level, ReadOnlySpan<PreemptionCandidate> candidates, out int index)
    {
        var verdict = Look(level, candidates, out index);
        if (verdict != PreemptionVerdict.Chosen)
        {
            Volatile.Write(ref _refused[(int)verdict], _refused[(int)verdict] + 1);
        }

        return verdict;
    }

    public void Freeze(in FrozenTask task)
    {
        _frozen.Add(task);
        Volatile.Write(ref _bytes, _bytes + task.Bytes);
        Volatile.Write(ref _freezes, _freezes + 1);
    }

    /// <summary>Puts the frozen ones into the order in which they go on; valid until the next change.</summary>
    public ReadOnlySpan<FrozenTask> InThawOrder(long now)
    {
        // In order but for the last that came, or became due.
        var all = CollectionsMarshal.AsSpan(_frozen);
        for (var i = 1; i < all.Length; i++)
        {
            var one = all[i];
            var place = i;
            for (; place > 0 && Compare(one, all[place - 1], now) < 0; place--)
            {
                all[place] = all[place - 1];
            }

            all[place] = one;
        }

        return all;
    }

    /// <summary>It has been frozen for as long as may be: it goes before what waits.</summary>
    public bool IsDue(in FrozenTask task, long now) => task.FrozenTicks + (now - task.Since) >= _longest;

    public bool MayThaw(in FrozenTask task, in ThawRoom room, long now) =>
        room.HasSlot && (task.Level >= room.HighestWaiting || IsDue(task, now));

    /// <summary>It goes on, or has ended.</summary>
    /// <returns>How long it has been frozen altogether; -1: it was not frozen.</returns>
    public long Remove(long key, long now, bool ended)
    {
        var place = _frozen.FindIndex(f => f.Key == key);
        if (place < 0)
        {
            return -1;
        }

        var task = _frozen[place];
        _frozen.RemoveAt(place);
        var ticks = Math.Max(0, now - task.Since);
        Volatile.Write(ref _bytes, _bytes - task.Bytes);
        FrozenTime.Record(ticks);
        ref var counter = ref ended ? ref _endedFrozen : ref _thaws;
        Volatile.Write(ref counter, counter + 1);
        return task.FrozenTicks + ticks;
    }

    private PreemptionVerdict Look(byte level, ReadOnlySpan<PreemptionCandidate> candidates, out int index)
    {
        index = -1;
        var (why, most) = (PreemptionVerdict.NoVictim, _policy.MaxBytes > 0 ? _policy.MaxBytes : DefaultMaxBytes);
        var waiting = SchedulerOptions.ClassOf(level);
        for (var i = 0; i < candidates.Length; i++)
        {
            ref readonly var one = ref candidates[i];
            if (!_policy.Preempts(waiting, SchedulerOptions.ClassOf(one.Level)) || (level <= one.LiftedTo && one.RunTicks < Math.Min(one.GuardTicks, _longest)))
            {
                continue;
            }

            if (_frozen.Count >= _policy.MaxTasks)
            {
                return PreemptionVerdict.TooManyTasks;
            }

            if (one.FrozenTicks >= _longest)
            {
                why = why == PreemptionVerdict.NoVictim ? PreemptionVerdict.FrozenLongEnough : why;
            }
            else if (one.Bytes > most - _bytes)
            {
                why = PreemptionVerdict.TooManyBytes;
            }
            else if (index < 0 || IsBetter(one, candidates[index]))
            {
                index = i;
            }
        }

        return index >= 0 ? PreemptionVerdict.Chosen : why;
    }

    /// <summary>The lower class; in a class the least run time x memory, where each counts as something at least; the lower level among equals.</summary>
    private static bool IsBetter(in PreemptionCandidate one, in PreemptionCandidate other)
    {
        var byClass = (int)SchedulerOptions.ClassOf(one.Level) - (int)SchedulerOptions.ClassOf(other.Level); // CompareTo of an enum would box both
        if (byClass != 0)
        {
            return byClass < 0;
        }

        var byCost = Cost(one).CompareTo(Cost(other));
        return byCost != 0 ? byCost < 0 : one.Level < other.Level;
    }

    private static double Cost(in PreemptionCandidate one) => (1.0 + one.RunTicks) * Math.Max(1 << 20, one.Bytes);

    private int Compare(in FrozenTask a, in FrozenTask b, long now)
    {
        var due = IsDue(b, now).CompareTo(IsDue(a, now));
        if (due != 0)
        {
            return due;
        }

        var byLevel = IsDue(a, now) ? 0 : b.Level.CompareTo(a.Level);
        return byLevel != 0 ? byLevel : (a.Since - a.FrozenTicks).CompareTo(b.Since - b.FrozenTicks);
    }
}
