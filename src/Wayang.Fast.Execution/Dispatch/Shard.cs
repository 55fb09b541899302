using System.Collections.Concurrent;
using System.Diagnostics;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Dispatch;

/// <summary>
/// Scheduler, pools and request rings of one shard, owned by one thread at a time: whoever finds nobody at work becomes
/// the owner (combining). A submitter pushes into the lock-free inbox and calls <see cref="Pump"/>; when another thread owns the
/// shard that one sees the push before it leaves, so nobody waits. An owner that went through many rounds hands the shard
/// to the completion thread, so that no submitter works for others without bound.
/// </summary>
internal sealed class Shard
{
    private const int MaxRounds = 16;
    private const byte KindCall = 1;

    private readonly RuntimeOptions _options;
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly AdmissionGate _admission;
    private readonly Scheduler _scheduler;
    private readonly Inbox _inbox;
    private readonly InboxItem[] _drained = new InboxItem[1024];
    private readonly List<WorkerPool?> _pools = [];
    private readonly List<WorkerPool?> _byScheduler = [];
    private readonly List<WorkerPool> _dirtyPools = [];
    private readonly List<CallWorker> _touched = [];
    private readonly ConcurrentQueue<ShardEvent> _events = new();
    private readonly ReleasedWorkers _released = new();

    private int _requests;
    private int _deferringThread;

    public Shard(RuntimeOptions options, TaskTable table, TaskLifecycle lifecycle, AdmissionGate admission, Scheduler scheduler, Inbox inbox)
    {
        _options = options;
        _table = table;
        _lifecycle = lifecycle;
        _admission = admission;
        _scheduler = scheduler;
        _inbox = inbox;
    }

    /// <summary>Set once by the composition before the first task.</summary>
    public CompletionThread Completion { get; set; } = null!;

    /// <summary>Set once by the composition before the first task.</summary>
    public Supervisor Supervisor { get; set; } = null!;

    /// <summary>Tasks that wait for a slot. A momentary value.</summary>
    public int Queued => _scheduler.Queued;

    public long Dispatched { get; private set; }

    /// <summary>Puts an admitted task up for dispatch, on this thread if it can be.</summary>
    public void Submit(int slot)
    {
        var record = _table[slot];
        _inbox.Push(slot, record.Pool, record.Level, record.Tenant);
        if (Environment.CurrentManagedThreadId != _deferringThread)
        {
            Pump();
        }
    }

    /// <summary>The completion thread defers the dispatch of what it submits to the end of its batch. That thread only.</summary>
    public void BeginDeferring() => _deferringThread = Environment.CurrentManagedThreadId;

    public void EndDeferring()
    {
        _deferringThread = 0;
        Pump();
    }

    public void Post(in ShardEvent item)
    {
        _events.Enqueue(item);
        Pump();
    }

    /// <summary>
    /// An index of a worker is free again. Completion thread only; the next <see cref="Pump"/> uses it.
    /// </summary>
    public void Release(CallWorker worker, int index)
    {
        if (worker.Release(index))
        {
            _released.Push(worker);
        }
    }

    /// <summary>
    /// Does what is to be done, unless another thread is at it, which then does it. SYNC POINT: the counter's interlocked
    /// operations order everything pushed before an increment before the round that follows it.
    /// </summary>
    public void Pump()
    {
        if (Interlocked.Increment(ref _requests) == 1)
        {
            Own();
        }
    }

    /// <summary>Goes on for an owner that handed over. Completion thread only.</summary>
    public void TakeOver() => Own();

    private void Own()
    {
        for (var round = 0; ; round++)
        {
            var seen = Volatile.Read(ref _requests);
            var more = Round();
            if (more)
            {
                continue;
            }

            if (Interlocked.Add(ref _requests, -seen) == 0)
            {
                return;
            }

            if (round >= MaxRounds && !Completion.IsCurrent)
            {
                // Still the owner (the counter is not 0): the completion thread goes on in our place.
                Completion.RequestTakeOver();
                return;
            }
        }
    }

    /// <returns>True when the inbox held more than one round takes.</returns>
    private bool Round()
    {
        while (_released.TryPop(out var worker))
        {
            CollectReleased(worker);
        }

        while (_events.TryDequeue(out var item))
        {
            Handle(item);
        }

        var count = _inbox.Drain(_drained);
        for (var i = 0; i < count; i++)
        {
            Enqueue(_drained[i]);
        }

        while (_scheduler.TryDequeue(out var item))
        {
            Dispatch(item);
        }

        PublishTouched();
        foreach (var pool in _dirtyPools)
        {
            pool.Dirty = false;
            Grow(pool);
        }

        _dirtyPools.Clear();
        return count == _drained.Length;
    }

    private void Enqueue(in InboxItem item)
    {
        var pool = _pools[item.Pool]!;
        if (pool.Closed)
        {
            Orphan(item.Task, pool.Image.Failure ?? "the image was closed");
            return;
        }

        _scheduler.Enqueue(item.Task, pool.SchedulerId, item.Level, item.Tenant);
        MarkDirty(pool);
    }

    private void Dispatch(in ScheduledTask item)
    {
        var record = _table[item.Task];
        var pool = _byScheduler[item.Pool]!;
        var bytes = record.Input.Length;
        if (!_lifecycle.TryStart(record))
        {
            _scheduler.AddSlots(item.Pool, 1);
            _admission.Release(bytes);
            return;
        }

        _admission.Release(bytes);
        Dispatched++;
        if (pool.IsCommand)
        {
            Supervisor.StartCommand(record, pool);
            return;
        }

        var worker = pool.Available[^1];
        var ticket = worker.TakeIndex(out var index);
        if (worker.FreeCount == 0)
        {
            pool.Available.RemoveAt(pool.Available.Count - 1);
            worker.InAvailable = false;
        }

        if (worker.CancelBits[index])
        {
            worker.CancelBits[index] = false;
            worker.Writer.SetCancelled(index, false);
        }

        ref var entry = ref worker.Entries[index];
        entry.Record = record.Slot;
        entry.Order = worker.NextOrder++;
        entry.OutputTotal = -1;
        entry.OutputKind = 0;
        var deadline = Stopwatch.GetTimestamp() + (long)(record.TimeoutMs * (Stopwatch.Frequency / 1000.0));
        Volatile.Write(ref entry.Deadline, deadline);
        Volatile.Write(ref entry.Ticket, ticket);
        record.Ticket = ticket;
        record.InFlightIndex = index;
        record.Worker = (int)(worker.Id & 0xFFFF);
        Supervisor.WatchDeadline(deadline);
        Write(worker, record, ticket, index);

        // Not before the input is in the ring: a worker that guesses its ticket could end the task, and an end in the
        // running state gives the input's memory back.
        _lifecycle.Run(record);
    }

    private void Write(CallWorker worker, TaskRecord record, uint ticket, int index)
    {
        if (worker.Uploads.Count == 0)
        {
            var status = worker.Writer.TryWrite(ticket, record.Function, KindCall, record.Input.Span);
            if (status == RingStatus.Ok)
            {
                Touch(worker);
                return;
            }
        }

        // Pinned: the input must stay while chunks of it are still to be written, whatever the worker says meanwhile.
        if (_lifecycle.TryPin(record.Id, out _))
        {
            worker.Uploads.Enqueue(new Upload(ticket, index, record.Slot));
        }

        ContinueUploads(worker);
    }

    /// <summary>Writes chunks until the ring is full; the worker then rings the doorbell when it has consumed some.</summary>
    private void ContinueUploads(CallWorker worker)
    {
        Touch(worker);
        while (worker.Uploads.TryPeek(out var upload))
        {
            var record = _table[upload.Record];
            var written = upload.Written;
            do
            {
                if (worker.Writer.TryWriteChunk(upload.Ticket, record.Function, KindCall, record.Input.Span, ref written) != RingStatus.Ok)
                {
                    upload.Written = written;
                    worker.UploadsPending = true;
                    worker.Writer.SetWantsSpace(true);
                    return;
                }
            }
            while (written < record.Input.Length);

            worker.Uploads.Dequeue();
            _lifecycle.Unpin(record);
        }

        worker.UploadsPending = false;
        worker.Writer.SetWantsSpace(false);
    }

    private void Touch(CallWorker worker)
    {
        if (!worker.Touched)
        {
            worker.Touched = true;
            _touched.Add(worker);
        }
    }

    private void PublishTouched()
    {
        foreach (var worker in _touched)
        {
            worker.Touched = false;
            worker.Writer.Publish();
        }

        _touched.Clear();
    }

    private void CollectReleased(CallWorker worker)
    {
        var count = worker.CollectReleased();
        if (worker.Phase != WorkerPhase.Serving || count == 0)
        {
            return;
        }

        _scheduler.AddSlots(worker.Pool.SchedulerId, count);
        if (!worker.InAvailable)
        {
            worker.InAvailable = true;
            worker.Pool.Available.Add(worker);
        }

        if (worker.IsIdle)
        {
            worker.IdleSince = Stopwatch.GetTimestamp();
        }
    }

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
            case ShardEventKind.DetachWorker:
                Detach(item.Worker!);
                Completion.PostDetached(item.Worker!);
                break;
            case ShardEventKind.RetireWorker:
                Detach(item.Worker!);
                Supervisor.Kill(item.Worker!.Id);
                break;
            case ShardEventKind.SpaceFreed:
                if (item.Worker!.Phase == WorkerPhase.Serving)
                {
                    ContinueUploads(item.Worker);
                }

                break;
            case ShardEventKind.CancelCall:
                CancelCall(item.Worker!, item.Ticket);
                break;
            case ShardEventKind.CommandEnded:
                _scheduler.AddSlots(item.Pool!.SchedulerId, 1);
                break;
            case ShardEventKind.PoolOpened:
                OpenPool(item.Pool!);
                break;
            case ShardEventKind.PoolClosed:
                ClosePool(item.Pool!);
                break;
            default:
                Trim();
                break;
        }
    }

    private void OpenPool(WorkerPool pool)
    {
        Place(_pools, pool.Id, pool);
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
        pool.SchedulerId = _scheduler.AddPool();
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
        _admission.Release(record.Input.Length);
        if (_lifecycle.TryStart(record))
        {
            Completion.PostFailed(record, why);
        }
    }

    private void AddWorker(CallWorker worker)
    {
        var pool = worker.Pool;
        pool.Starting--;
        pool.FailedStarts = 0;
        if (pool.Closed || worker.Phase == WorkerPhase.Detached)
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
    }

    /// <param name="pool">The pool that asked.</param>
    /// <param name="reason">What the tasks are told when nothing can run.</param>
    /// <param name="counts">False when the spawner or zygote was lost: it comes back, the pool simply asks again.</param>
    private void StartFailed(WorkerPool pool, string reason, bool counts)
    {
        pool.Starting--;
        pool.FailedStarts += counts ? 1 : 0;
        if (pool.FailedStarts >= 3 && pool.Workers.Count == 0 && pool.Starting == 0)
        {
            // Nothing can run here: tell the waiting tasks instead of letting them wait forever. A later task tries again.
            pool.FailedStarts = 0;
            EmptyQueue(pool, reason);
            return;
        }

        MarkDirty(pool);
    }

    private void Detach(CallWorker worker)
    {
        if (worker.Phase == WorkerPhase.Detached)
        {
            return;
        }

        if (worker.Phase == WorkerPhase.Starting)
        {
            worker.Phase = WorkerPhase.Detached;
            var exit = worker.Exit ?? default;
            StartFailed(worker.Pool, exit.Text, counts: exit.Kind != Spawner.ExitKind.Killed);
            return;
        }

        if (worker.Phase == WorkerPhase.Serving)
        {
            _scheduler.AddSlots(worker.Pool.SchedulerId, worker.CollectReleased());
            worker.Pool.Workers.Remove(worker);
            if (worker.InAvailable)
            {
                worker.InAvailable = false;
                worker.Pool.Available.Remove(worker);
            }

            _scheduler.AddSlots(worker.Pool.SchedulerId, -worker.FreeCount);
        }

        worker.Phase = WorkerPhase.Detached;
        while (worker.Uploads.TryDequeue(out var upload))
        {
            _lifecycle.Unpin(_table[upload.Record]);
        }

        MarkDirty(worker.Pool);
    }

    private static void CancelCall(CallWorker worker, uint ticket)
    {
        var index = (int)(ticket & 0xFF);
        if (worker.Phase == WorkerPhase.Serving && Volatile.Read(ref worker.Entries[index].Ticket) == ticket)
        {
            worker.CancelBits[index] = true;
            worker.Writer.SetCancelled(index, true);
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

    /// <summary>Asks for workers: one for each waiting task up to the pool's bound, and the spares.</summary>
    private void Grow(WorkerPool pool)
    {
        if (pool.IsCommand || pool.Closed)
        {
            return;
        }

        var queued = _scheduler.QueuedIn(pool.SchedulerId);
        var room = pool.MaxWorkers - pool.LiveWorkers;
        if (room <= 0)
        {
            return;
        }

        var wanted = Math.Max(queued, Math.Max(0, _options.SpareWorkers - pool.Available.Count)) - pool.Starting;
        var count = Math.Min(wanted, room);
        if (count > 0)
        {
            pool.Starting += count;
            Supervisor.StartWorkers(pool, count);
        }
    }

    private void Trim()
    {
        var before = Stopwatch.GetTimestamp() - (_options.WarmIdleSeconds * Stopwatch.Frequency);
        foreach (var pool in _pools)
        {
            for (var i = (pool?.Workers.Count ?? 0) - 1; i >= 0 && pool!.Workers.Count > _options.SpareWorkers; i--)
            {
                var worker = pool.Workers[i];
                if (worker.IsIdle && worker.IdleSince < before)
                {
                    Detach(worker);
                    Supervisor.Kill(worker.Id);
                }
            }
        }
    }
}
