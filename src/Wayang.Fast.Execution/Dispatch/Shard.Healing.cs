using System.Diagnostics;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>What the watchdog sees of the shard from outside, and how it sets it going again.</content>
internal sealed partial class Shard
{
    /// <summary>Tasks that were submitted and not yet seen by an owner. Any thread; a momentary value.</summary>
    public long InInbox => _inbox.Waiting;

    /// <summary>Tasks that wait at a level. Any thread; a momentary value.</summary>
    public int QueuedAt(int level) => _scheduler.QueuedAt(level);

    /// <summary>The node's own bound is reached. Any thread; a momentary value.</summary>
    public bool IsNodeFull => _scheduler.IsNodeFull;

    /// <summary>Tasks of a pool that wait, and its free slots. Any thread; momentary values.</summary>
    public bool TryPeek(WorkerPool pool, out int queued, out int freeSlots) => _scheduler.TryPeek(pool.SchedulerId, out queued, out freeSlots);

    /// <summary>
    /// A pool whose tasks could run or whose workers should have been asked for, in words; null when all that waits waits for a
    /// reason. Any thread: only what is still true after a while means anything.
    /// </summary>
    public string? FindStalled(IReadOnlyList<WorkerPool> pools, out WorkerPool? stalled)
    {
        stalled = null;
        for (var i = 0; i < pools.Count; i++)
        {
            var pool = pools[i];

            // At the node's own bound, or its tenant's, everything waits with a reason.
            if (pool.Closed || !TryPeek(pool, out var queued, out var free) || queued == 0 || (free > 0 && (_scheduler.IsNodeFull || IsHeld(pool))))
            {
                continue;
            }

            stalled = pool;
            if (free > 0)
            {
                return FormattableString.Invariant($"{queued} tasks wait beside {free} free slots");
            }

            if (!pool.IsCommand && pool.LiveWorkers == 0 && !pool.StartsFailed)
            {
                return FormattableString.Invariant($"{queued} tasks wait, and no worker is there or asked for");
            }
        }

        stalled = null;
        return InInbox > 0 ? FormattableString.Invariant($"{InInbox} submitted tasks were not looked at") : null;
    }

    /// <summary>
    /// Goes through the shard on the calling thread if nobody else does, in place of an owner that handed over and was not
    /// followed, or of one that never came. SYNC POINT: as in <see cref="Pump"/>; a hand-over is claimed by one thread only.
    /// </summary>
    /// <returns>What was done; null when a thread is inside, which alone can go on.</returns>
    public string? Heal()
    {
        Enqueue(new ShardEvent(ShardEventKind.Heal));
        if (Completion.TryClaimTakeOver())
        {
            TakeOver();
            return "went on for an owner that had handed over";
        }

        if (Interlocked.Increment(ref _requests) == 1)
        {
            Own(Stopwatch.GetTimestamp());
            return "went through the shard, which nobody did";
        }

        return null;
    }

    private void LookAtAllPools()
    {
        _scheduler.RelinkAll();
        foreach (var pool in _pools)
        {
            if (pool is { Closed: false })
            {
                MarkDirty(pool);
            }
        }
    }
}
