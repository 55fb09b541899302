using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>Slots that come back, and whose they were.</content>
internal sealed partial class Shard
{
    /// <summary>Tasks of a tenant that have a slot. Any thread; a momentary value.</summary>
    public int RunningOf(Tenant tenant) => _scheduler.RunningOf(tenant.Id);

    /// <summary>What waits in the pool waits for its tenant's bound of running tasks. Any thread; a momentary value.</summary>
    public bool IsHeld(WorkerPool pool) => _scheduler.IsHeld(pool.SchedulerId);

    /// <summary>Moves what a worker gave back to its free indices.</summary>
    /// <returns>How many of its pool's slots that frees; none of a worker that left its pool, whose slots are held until its process is gone.</returns>
    private int FinishReleased(CallWorker worker, long now)
    {
        var count = 0;
        while (worker.TryCollect(out var taken))
        {
            if (worker.Phase == WorkerPhase.Serving)
            {
                Finish(worker.Pool, taken.Level, Math.Max(0, now - taken.Since));
                count++;
            }
        }

        return count;
    }

    private void FinishHeld(CallWorker worker)
    {
        var now = System.Diagnostics.Stopwatch.GetTimestamp();
        foreach (var taken in worker.TakeHeldSlots())
        {
            Finish(worker.Pool, taken.Level, Math.Max(0, now - taken.Since));
        }
    }

    private void Finish(WorkerPool pool, byte level, long ticks)
    {
        _scheduler.Finish(pool.SchedulerId, level, ticks);
        pool.Tenant.CountFinished(ticks);
    }
}
