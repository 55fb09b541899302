using System.Numerics;

namespace Wayang.Fast.Core.Scheduling;

/// <content>
/// Slots that are lent: a task that is frozen gives its slots back by <see cref="Finish(int, int, long)"/> (and its pool's by <see cref="AddSlots"/>) without having
/// ended, and takes them again by <see cref="Retake"/> when it goes on or ends. Cold.
/// </content>
public sealed partial class Scheduler
{
    /// <summary>
    /// A task that lent its slot has it again: the node's, and its tenant's place. Whether one is free is the caller's to look at; an end that comes while it is
    /// lent takes it again first, and may find less than none.
    /// </summary>
    /// <param name="pool">Where it came from.</param>
    /// <param name="level">The level it was taken from.</param>
    public void Retake(int pool, int level)
    {
        ref var entry = ref At(pool);
        _nodeFree--;
        _shares?.Pass(entry.Tenant, level);
    }

    /// <summary>Slots of the node that are free; below zero: more tasks have one than there are.</summary>
    public int FreeNodeSlots => _nodeFree;

    /// <summary>The task of a pool that goes next once there is a slot, and the level that it waits at. False: none waits.</summary>
    public bool TryPeekNext(int pool, out int task, out int level)
    {
        ref var entry = ref At(pool);
        if (entry.Bitmap == 0)
        {
            (task, level) = (-1, -1);
            return false;
        }

        level = Highest(entry.Bitmap);
        task = _queues.PeekHead(_levels[(pool * Levels) + level].Current);
        return true;
    }

    /// <summary>The highest level that waits in a pool with a free slot, the node's slots left out; -1: nothing does.</summary>
    public int HighestReady()
    {
        if (_shares is { } shares)
        {
            return shares.IsEmpty ? -1 : shares.HighestLevel;
        }

        return _ready.IsEmpty ? -1 : _ready.HighestLevel;
    }

    /// <summary>Tasks of a pool that wait at a level or above; counted up to <paramref name="most"/>.</summary>
    public int QueuedFrom(int pool, int level, int most)
    {
        ref var entry = ref At(pool);
        var count = 0;
        for (var rest = entry.Bitmap >> level << level; rest != 0 && count < most; rest &= rest - 1)
        {
            ref var at = ref _levels[(pool * Levels) + BitOperations.TrailingZeroCount(rest)];
            var flow = at.Current;
            for (var i = 0; i < at.Flows && count < most; i++)
            {
                count += _queues.Count(flow, most - count);
                flow = _queues.NextOf(flow);
            }
        }

        return count;
    }
}
