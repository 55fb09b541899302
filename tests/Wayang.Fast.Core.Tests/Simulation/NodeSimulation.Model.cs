using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <content>What the model knows of the moment.</content>
internal sealed partial class NodeSimulation
{
    private long Now => _time.GetTimestamp() / TimeSpan.TicksPerMillisecond;

    private long Bound(int level) => level == 55 ? 0 : (long)_options.BoundOf(level).TotalMilliseconds;

    private Queue<int> Fifo(int pool, int level, int tenant) => _fifos[(((pool * Scheduler.Levels) + level) * Tenants) + tenant];

    private void LeaveScheduler(ref ModelTask task)
    {
        task.InScheduler = false;
        _inScheduler--;
        if (--_waitingAt[(task.Pool * Scheduler.Levels) + task.Level] == 0)
        {
            _waiting[task.Pool] &= ~(1UL << task.Level);
        }
    }

    /// <summary>Highest level of submission that waits in a pool with a free slot.</summary>
    private int HighestReady()
    {
        ulong all = 0;
        for (var pool = 0; pool < MaxPools; pool++)
        {
            all |= _exists[pool] && _free[pool] > 0 && !IsHeld(pool) ? _waiting[pool] : 0;
        }

        return 63 - System.Numerics.BitOperations.LeadingZeroCount(all);
    }

    private int RandomPool()
    {
        var pool = _random.Next(MaxPools);
        return _exists[pool] ? pool : -1;
    }

    private void Move(List<int> from, List<int> to, int slot)
    {
        Take(from, slot);
        _tasks[slot].Place = to.Count;
        to.Add(slot);
    }

    private void Take(List<int> list, int slot)
    {
        var place = _tasks[slot].Place;
        var last = list[^1];
        list[place] = last;
        _tasks[last].Place = place;
        list.RemoveAt(list.Count - 1);
    }

    private static void Check(bool condition, string what)
    {
        if (!condition)
        {
            throw new Xunit.Sdk.XunitException(what);
        }
    }
}
