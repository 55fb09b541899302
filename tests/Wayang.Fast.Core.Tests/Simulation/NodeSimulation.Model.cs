using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Tests.Simulation;

/// <content>What the model knows of the moment.</content>
internal sealed partial class NodeSimulation
{
    private long Now => _time.GetTimestamp() / TimeSpan.TicksPerMillisecond;

    private long Bound(int level) => level == 55 ? 0 : (long)_options.BoundOf(level).TotalMilliseconds;

    private static int Flow(int pool, int level, int tenant) => (((pool * Scheduler.Levels) + level) * Tenants) + tenant;

    private void Wait(int slot)
    {
        ref var task = ref _tasks[slot];
        var flow = Flow(task.Pool, task.Level, task.Tenant);
        if (task.Deadline == 0)
        {
            _fifos[flow].Enqueue(slot);
            return;
        }

        _due[flow].Add((task.Deadline, task.Order, slot));
    }

    /// <summary>What has no deadline leaves in its order, ageing or not.</summary>
    private void LeaveOrder(in ModelTask task, int slot)
    {
        var flow = Flow(task.Pool, task.Level, task.Tenant);
        Check(
            task.Deadline == 0 ? _fifos[flow].TryDequeue(out var first) && first == slot : _due[flow].Remove((task.Deadline, task.Order, slot)),
            "not first in, first out");
    }

    /// <summary>
    /// From its own level leaves what has the earliest deadline (those that ageing lifted stand higher in the same pool, so they have left already),
    /// and what has none only if none with one waits, or after enough of those.
    /// </summary>
    private void CheckOrder(in ModelTask task, in ScheduledTask item)
    {
        var from = Flow(task.Pool, item.Level, task.Tenant);
        var due = _due[from];
        if (item.Level == task.Level)
        {
            Check(task.Deadline == 0 || due.Min.Task == item.Task, "an earlier deadline was passed");
            Check(task.Deadline != 0 || due.Count == 0 || _inARow[from] >= Scheduler.MostDueInARow, "what has no deadline passed what has one");
        }

        // Never below the scheduler's own count: what is not known to have been the FIFO's turn is not taken for it.
        _inARow[from] = task.Deadline != 0 ? _inARow[from] + 1 : item.Level == task.Level && due.Count > 0 ? 0 : _inARow[from];
        LeaveOrder(task, item.Task);
    }

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
