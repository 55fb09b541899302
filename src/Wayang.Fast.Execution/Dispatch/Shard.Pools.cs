using System.Diagnostics;
using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>What the dispatch owner does rarely: workers that come and go, pools that open, grow, close.</content>
internal sealed partial class Shard
{
    private const int MaxFailedRounds = 3;

    /// <summary>Workers that were asked for and did not become ready.</summary>
    public long StartFailures { get; private set; }

    /// <summary>Workers that were replaced though they worked, by <see cref="RecycleReason"/>.</summary>
    public long[] Recycled { get; } = new long[Enum.GetValues<RecycleReason>().Length];

    // Not inlined into each round: most have no event.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Handle(in ShardEvent item)
    {
        switch (item.Kind)
        {
            case ShardEventKind.WorkerReady:
                AddWorker(item.Worker!);
                break;
            case ShardEventKind.WorkerStartFailed:
                StartFailed(item.Pool!, item.Reason!, counts: true);
                break;
            case ShardEventKind.PoolRetry:
                RetryStarts(item.Pool!);
                break;
            case ShardEventKind.DetachWorker:
                Detach(item.Worker!);
                FinishHeld(item.Worker!); // its process is gone: nothing of it runs any more
                Completion.PostDetached(item.Worker!);
                break;
            case ShardEventKind.RetireWorker:
                Detach(item.Worker!);
                Supervisor.Kill(item.Worker!.Id);
                break;
            case ShardEventKind.SpaceFreed:
                if (item.Worker!.IsServing)
                {
                    ContinueUploads(item.Worker);
                }

                break;
            case ShardEventKind.CancelCall:
                CancelCall(item.Worker!, item.Ticket);
                if (item.Worker!.IsFrozen)
                {
                    ThawForEnd(item.Worker); // it has its grace
                }

                break;
            case ShardEventKind.CommandEnded:
                EndCommand(item);
                break;
            case ShardEventKind.Requeue:
                Requeue((int)item.Ticket);
                break;
            case ShardEventKind.PoolOpened:
                OpenPool(item.Pool!);
                break;
            case ShardEventKind.Heal:
                LookAtAllPools();
                break;
            case ShardEventKind.PoolClosed:
                ClosePool(item.Pool!);
                break;
            default:
                HandleMove(item);
                break;
        }
    }

    private void HandleMove(in ShardEvent item)
    {
        switch (item.Kind)
        {
            case ShardEventKind.WantState:
                WantState(item.Worker!, item.Ticket);
                break;
            case ShardEventKind.CaptureCall:
                BeginCapture(item.Capture!);
                break;
            case ShardEventKind.CaptureAbandoned:
                ThawForFailure(item.Worker!);
                break;
            case ShardEventKind.WorkerRestored:
                TakeContinued(item.Worker!);
                break;
            case ShardEventKind.ContinuationFailed:
                GiveUpContinuation(item.Continuation!);
                break;
            case ShardEventKind.Reconfigured:
                Reconfigure();
                break;
            default:
                Trim();
                break;
        }
    }

    /// <summary>Gives an admitted task another place in the scheduler, which the lifecycle has counted as queued.</summary>
    private void Requeue(int slot)
    {
        var record = _table[slot];
        Enqueue(new InboxItem(slot, record.Pool, record.Level, record.Tenant), record.Life?.Terms?.Deadline is { } deadline ? deadline.ToUnixTimeMilliseconds() : 0);
    }

    private void OpenPool(WorkerPool pool)
    {
        Place(_pools, pool.Id, pool);
        _scheduler.SetShare(pool.Tenant.Id, pool.Tenant.Policy.Share);
        pool.MaxWorkers = _options.Current.MaxWorkersPerPool;
        Schedule(pool);
        if (pool.IsCommand)
        {
            _scheduler.AddSlots(pool.SchedulerId, pool.MaxWorkers);
        }
        else
        {
            MarkDirty(pool);
        }
    }

    private void Schedule(WorkerPool pool)
    {
        pool.SchedulerId = _scheduler.AddPool(pool.Key.Tenant);
        Place(_byScheduler, pool.SchedulerId, pool);
    }

    private static void Place(List<WorkerPool?> pools, int index, WorkerPool pool)
    {
        while (pools.Count <= index)
        {
            pools.Add(null);
        }

        pools[index] = pool;
    }

    private void ClosePool(WorkerPool pool)
    {
        for (var i = pool.Workers.Count - 1; i >= 0; i--)
        {
            var worker = pool.Workers[i];
            Detach(worker);
            Supervisor.Kill(worker.Id);
        }

        pool.Closed = true;
        EmptyQueue(pool, pool.Image.Failure ?? "the image was closed");
    }

    /// <summary>Ends everything that waits in a pool which has no worker.</summary>
    private void EmptyQueue(WorkerPool pool, string why)
    {
        var old = pool.SchedulerId;
        var free = pool.IsCommand ? _scheduler.FreeSlots(old) : 0;
        Schedule(pool);
        _scheduler.AddSlots(pool.SchedulerId, free);
        _scheduler.RemovePool(old, slot => Orphan(slot, why));
    }

    /// <summary>Ends a queued task whose pool will never have a worker.</summary>
    private void Orphan(int slot, string why)
    {
        var record = _table[slot];
        _admission.Release(record.AdmittedBytes);
        if (_lifecycle.TryStart(record))
        {
            Completion.PostFailed(record, why);
        }
    }

    private void AddWorker(CallWorker worker)
    {
        if (worker.Phase != WorkerPhase.Starting)
        {
            return; // detached before: that was counted then
        }

        var pool = worker.Pool;
        pool.Starting--;
        pool.StartsFailed = false;
        pool.FailedRounds = 0;
        pool.Load.CountStart(Stopwatch.GetElapsedTime(worker.StartRequested));
        worker.IsAhead = pool.Load.AheadStarting > 0;
        pool.Load.AheadStarting -= worker.IsAhead ? 1 : 0;
        if (pool.Closed)
        {
            worker.Phase = WorkerPhase.Detached;
            Supervisor.Kill(worker.Id);
            return;
        }

        worker.Phase = WorkerPhase.Serving;
        worker.InAvailable = true;
        worker.IdleSince = Stopwatch.GetTimestamp();
        pool.Workers.Add(worker);
        pool.Available.Add(worker);
        _scheduler.AddSlots(pool.SchedulerId, worker.FreeCount);
        RelieveOne(pool);
        MarkDirty(pool);
    }

    /// <param name="pool">The pool that asked.</param>
    /// <param name="reason">What the tasks are told when nothing can run.</param>
    /// <param name="counts">False when the worker ended because we, or the loss of the spawner, ended it: the pool asks again.</param>
    private void StartFailed(WorkerPool pool, string reason, bool counts)
    {
        pool.Starting--;
        pool.Load.AheadStarting = Math.Min(pool.Load.AheadStarting, pool.Starting);
        KeepOutgoing(pool);
        StartFailures++;
        if (counts)
        {
            // No new start before the next tick: what fails at once would otherwise be asked for again without end.
            pool.StartsFailed = true;
            pool.StartFailure = reason;
            return;
        }

        MarkDirty(pool);
    }

    /// <summary>
    /// Lets a pool whose starts failed ask again. When nothing came of it several times and no worker is left, the waiting tasks
    /// are told instead of waiting forever; a later task tries again.
    /// </summary>
    private void RetryStarts(WorkerPool pool)
    {
        if (!pool.StartsFailed || pool.Starting > 0)
        {
            return;
        }

        pool.StartsFailed = false;
        if (pool.Workers.Count == 0 && ++pool.FailedRounds >= MaxFailedRounds)
        {
            pool.FailedRounds = 0;
            EmptyQueue(pool, pool.StartFailure);
            return;
        }

        MarkDirty(pool);
    }

    private void Detach(CallWorker worker)
    {
        if (worker.Phase == WorkerPhase.Starting)
        {
            worker.Phase = WorkerPhase.Detached;
            if (worker.Continuation is { } continuation)
            {
                GiveUpContinuation(continuation);
                return;
            }

            var exit = worker.Exit ?? default;
            StartFailed(
                worker.Pool,
                worker.Violation ?? (string.IsNullOrEmpty(exit.Text) ? "its worker ended before it was ready" : exit.Text),
                counts: worker.Violation is not null || exit.Kind is not (Spawner.ExitKind.Killed or Spawner.ExitKind.Lost));
            return;
        }

        if (worker.Phase == WorkerPhase.Detached)
        {
            return;
        }

        if (worker.IsFrozen)
        {
            Reclaim(worker, ended: true);
        }

        var leaving = worker.Phase == WorkerPhase.Leaving; // its slots were taken away then
        _scheduler.AddSlots(worker.Pool.SchedulerId, FinishReleased(worker, Stopwatch.GetTimestamp()));
        worker.HoldSlots();
        worker.Pool.Load.GoneCalls += worker.NextOrder;
        worker.TakeUse(worker.Pool.Load.WarmUps);
        worker.Pool.Load.WarmUps.Unused += worker.IsAhead ? 1 : 0;
        worker.Pool.Workers.Remove(worker);
        if (worker.InAvailable)
        {
            worker.InAvailable = false;
            worker.Pool.Available.Remove(worker);
        }

        _scheduler.AddSlots(worker.Pool.SchedulerId, leaving ? 0 : -worker.FreeCount);
        worker.Phase = WorkerPhase.Detached;
        while (worker.Uploads.TryDequeue(out var upload))
        {
            EndUpload(upload);
        }

        worker.UploadsPending = false;
        if (worker.Touched)
        {
            // Its channel may be unmapped before this round publishes.
            worker.Touched = false;
        }

        MarkDirty(worker.Pool);
    }

    private static void CancelCall(CallWorker worker, uint ticket)
    {
        var index = (int)(ticket & 0xFF);
        if (worker.IsServing && Volatile.Read(ref worker.Entries[index].Ticket) == ticket)
        {
            worker.CancelBits[index] = true;
            worker.Writer.SetCancelled(index, true);
        }
    }

    /// <summary>A frozen one goes on for it: it cannot answer while it stands still.</summary>
    private void WantState(CallWorker worker, uint ticket)
    {
        var index = (int)(ticket & 0xFF);
        if (!worker.IsServing || Volatile.Read(ref worker.Entries[index].Ticket) != ticket)
        {
            return;
        }

        worker.CancelBits[index] = worker.WantedBits[index] = true;
        worker.Writer.SetSaveWanted(index, true);
        if (worker.IsFrozen)
        {
            ThawForEnd(worker);
        }
    }

    private void MarkDirty(WorkerPool pool)
    {
        if (!pool.Dirty)
        {
            pool.Dirty = true;
            _dirtyPools.Add(pool);
        }
    }

    private void Trim()
    {
        SweepMemory();
        var options = _options.Current;
        var now = Stopwatch.GetTimestamp();
        var unixSeconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var pressed = IsPressed;
        foreach (var pool in _pools)
        {
            if (pool is null || pool.Closed)
            {
                continue;
            }

            RetryStarts(pool);
            if (!pool.IsCommand)
            {
                Recycle(pool, options, now);
                Breathe(pool, options, now, unixSeconds, pressed);
            }
        }
    }

    /// <summary>The options were replaced. Workers over a lower bound of their pool leave when they are idle (<see cref="Trim"/>).</summary>
    private void Reconfigure()
    {
        var options = _options.Current;
        ConfigurePreemption();
        _scheduler.NodeSlots = options.MaxConcurrentTasks == 0 ? Scheduler.Unbounded : options.MaxConcurrentTasks;
        foreach (var tenant in _tenants.All)
        {
            _scheduler.SetShare(tenant.Id, tenant.Policy.Share);
        }

        foreach (var pool in _pools)
        {
            if (pool is null || pool.Closed)
            {
                continue;
            }

            if (pool.IsCommand)
            {
                _scheduler.AddSlots(pool.SchedulerId, options.MaxWorkersPerPool - pool.MaxWorkers);
            }

            pool.MaxWorkers = options.MaxWorkersPerPool;
            MarkDirty(pool);
        }
    }
}
