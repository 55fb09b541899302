using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// Workers that work and are replaced all the same: after so many calls, at an age, or when they have grown. Looked at once a second, by what is
/// counted anyway. Where there is room another one is asked for first and the old one leaves when that is ready; what it has in flight ends as
/// ever. At most a quarter of a pool's workers is on its way out at a time.
/// </content>
internal sealed partial class Shard
{
    private void Recycle(WorkerPool pool, RuntimeOptions options, long now)
    {
        if (pool.Key.Reuse == WorkerReuse.Never || (options.RecycleCalls == 0 && options.RecycleAgeSeconds == 0 && options.RecycleMemoryPercent == 0))
        {
            return;
        }

        var most = Math.Max(1, pool.Workers.Count / 4);
        foreach (var worker in pool.Workers)
        {
            most -= worker.Recycling == RecycleReason.None ? 0 : 1;
        }

        for (var i = pool.Workers.Count - 1; i >= 0 && most > 0; i--)
        {
            var worker = pool.Workers[i];
            if (worker.Phase == WorkerPhase.Serving && worker.Recycling == RecycleReason.None && ReasonOf(worker, options, now) is var reason and not RecycleReason.None)
            {
                most--;
                Replace(worker, reason);
            }
        }
    }

    private static RecycleReason ReasonOf(CallWorker worker, RuntimeOptions options, long now) =>
        options.RecycleCalls > 0 && worker.NextOrder >= options.RecycleCalls ? RecycleReason.Calls
        : options.RecycleAgeSeconds > 0 && Stopwatch.GetElapsedTime(worker.StartRequested, now).TotalSeconds >= options.RecycleAgeSeconds ? RecycleReason.Age
        : options.RecycleMemoryPercent > 0 && worker.MemoryLimit > 0 && worker.MemoryBytes > worker.MemoryLimit / 100 * options.RecycleMemoryPercent ? RecycleReason.Memory
        : RecycleReason.None;

    private void Replace(CallWorker worker, RecycleReason reason)
    {
        var pool = worker.Pool;
        worker.Recycling = reason;
        var before = pool.Starting;
        if (!pool.StartsFailed && !IsPressed)
        {
            Ask(pool, 1);
        }

        if (pool.Starting > before)
        {
            pool.Load.Outgoing.Enqueue(worker);
        }
        else
        {
            Leave(worker); // no room beside it: its end makes some
        }
    }

    /// <summary>A worker is ready: one that waited for it leaves.</summary>
    private void RelieveOne(WorkerPool pool)
    {
        while (pool.Load.Outgoing.TryDequeue(out var worker))
        {
            if (worker.Phase == WorkerPhase.Serving) // else it ended by itself
            {
                Leave(worker);
                return;
            }
        }
    }

    /// <summary>No worker comes in their place now: they stay, and the next look asks again.</summary>
    private static void KeepOutgoing(WorkerPool pool)
    {
        while (pool.Starting == 0 && pool.Load.Outgoing.TryDequeue(out var worker))
        {
            worker.Recycling = RecycleReason.None;
        }
    }

    /// <summary>It takes no more calls, and ends when it has none in flight.</summary>
    private void Leave(CallWorker worker)
    {
        var pool = worker.Pool;
        pool.Load.Recycled[(int)worker.Recycling]++;
        Recycled[(int)worker.Recycling]++;
        _scheduler.AddSlots(pool.SchedulerId, FinishReleased(worker, Stopwatch.GetTimestamp()));
        if (worker.InAvailable)
        {
            worker.InAvailable = false;
            pool.Available.Remove(worker);
        }

        _scheduler.AddSlots(pool.SchedulerId, -worker.FreeCount);
        worker.Phase = WorkerPhase.Leaving;
        MarkDirty(pool);
        EndIfIdle(worker);
    }

    private void EndIfIdle(CallWorker worker)
    {
        if (worker.Phase == WorkerPhase.Leaving && worker.IsIdle)
        {
            Detach(worker);
            Supervisor.Kill(worker.Id);
        }
    }
}
