using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Sizing;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// How many workers a pool has: at once when calls wait (<see cref="Grow"/>), and once a second by what it did and is expected to do.
/// What is decided stands in <see cref="PoolSizing"/>.
/// </content>
internal sealed partial class Shard
{
    /// <summary>The host or the node is short of memory: no pool grows.</summary>
    private bool IsPressed => Memory.IsPressed || _memory.Count > 0;

    /// <summary>
    /// Asks for workers: for waiting tasks, in doublings up to the pool's bound, and for the spares. Not for a call that finds its worker free
    /// after all: its caller may have been told the end of the call before while the completion thread still goes through its turn.
    /// </summary>
    private void Grow(WorkerPool pool)
    {
        if (pool.IsCommand || pool.Closed || pool.StartsFailed)
        {
            return;
        }

        var count = WantedNow(pool);
        if (count > 0 && _scheduler.QueuedIn(pool.SchedulerId) > 0)
        {
            if (CollectEarly(pool))
            {
                DispatchWaiting();
                ReleaseAdmissions();
                count = WantedNow(pool);
            }

            pool.Load.Waited |= pool.Workers.Count > 0 && _scheduler.QueuedIn(pool.SchedulerId) > 0;
        }

        Ask(pool, count);
    }

    private int WantedNow(WorkerPool pool) => PoolSizing.OnDemand(
        BoundsOf(pool, _options.Current),
        _scheduler.QueuedIn(pool.SchedulerId),
        pool.Available.Count,
        pool.Workers.Count,
        pool.Starting,
        pool.Key.Reuse == WorkerReuse.Never,
        IsPressed);

    private PoolBounds BoundsOf(WorkerPool pool, RuntimeOptions options) => new(
        MostWorkers(pool),
        options.SpareWorkers,
        pool.Key.Reuse == WorkerReuse.Never ? 1 : options.CallConcurrency,
        Environment.ProcessorCount,
        options.WarmIdleSeconds,
        options.WarmUp);

    /// <summary>
    /// Takes what the workers of a pool gave back and nobody told the shard yet. SYNC POINT: an index is given back before the end of its call is
    /// told (<see cref="CallWorker.Release"/>), so who submits because of that end finds it here. The worker stays in the list of released ones,
    /// where nothing is found then.
    /// </summary>
    /// <returns>True when a slot became free.</returns>
    private bool CollectEarly(WorkerPool pool)
    {
        var any = false;
        foreach (var worker in pool.Workers)
        {
            if (worker.Phase == WorkerPhase.Serving && worker.HasReleased)
            {
                CollectReleased(worker, _now);
                any = true;
            }
        }

        return any;
    }

    private void Ask(WorkerPool pool, int count)
    {
        count = Math.Min(count, RoomToStart(pool));
        if (count > 0)
        {
            pool.Starting += count;
            pool.StartsAs = _scheduler.TryPeekNext(pool.SchedulerId, out _, out var level) ? WorkerWeight.ClassOf((byte)level) : pool.StartsAs;
            Supervisor.StartWorkers(pool, count);
        }
    }

    /// <summary>Once a second: looks at what a pool did, and lets it grow or shrink.</summary>
    private void Breathe(WorkerPool pool, RuntimeOptions options, long now, long unixSeconds, bool pressed)
    {
        var load = pool.Load;
        var waiting = _scheduler.QueuedIn(pool.SchedulerId);
        var plan = load.Sizing.Look(load.Take(pool, waiting, pressed, now, unixSeconds), BoundsOf(pool, options));
        load.Wanted = plan.Wanted;
        if (plan.Start > 0 && !pool.StartsFailed)
        {
            var before = pool.Starting;
            Ask(pool, plan.Start);
            var ahead = Math.Min(plan.Ahead, pool.Starting - before);
            load.AheadStarting += ahead;
            load.WarmUps.Started += ahead;
        }

        if (waiting > 0)
        {
            MarkDirty(pool); // what pressure held back may be asked for now
        }

        LetGo(pool, plan, now);
    }

    /// <summary>Ends workers that have long been idle and are not wanted; at once those over a bound that was lowered.</summary>
    private void LetGo(WorkerPool pool, in PoolPlan plan, long now)
    {
        var idleBefore = now - (long)(plan.IdleSeconds * Stopwatch.Frequency);
        for (var i = 0; i < plan.Leave && FindIdle(pool, idleBefore) is { } worker; i++)
        {
            Detach(worker);
            Supervisor.Kill(worker.Id);
        }

        while (pool.Workers.Count - pool.FrozenWorkers > pool.MaxWorkers && FindIdle(pool, long.MaxValue) is { } worker)
        {
            Detach(worker);
            Supervisor.Kill(worker.Id);
        }
    }

    /// <summary>The worker that has been idle longest, if that is since before a moment.</summary>
    private static CallWorker? FindIdle(WorkerPool pool, long before)
    {
        CallWorker? longest = null;
        foreach (var worker in pool.Available)
        {
            if (worker.IsIdle && worker.IdleSince < before && (longest is null || worker.IdleSince < longest.IdleSince))
            {
                longest = worker;
            }
        }

        return longest;
    }
}
