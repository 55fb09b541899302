using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Checkpoints;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Preemption;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <summary>
/// Scheduler, pools and request rings of one shard, owned by one thread at a time: whoever finds nobody at work becomes
/// the owner (combining). A submitter pushes into the lock-free inbox and calls <see cref="Pump"/>; when another thread owns the
/// shard that one sees the push before it leaves, so nobody waits. An owner that went through many rounds hands the shard
/// to the completion thread, so that no submitter works for others without bound.
/// </summary>
internal sealed partial class Shard
{
    private const int MaxRounds = 16;
    private const byte KindCall = 1;
    private static readonly long s_ticksPerMillisecond = Stopwatch.Frequency / 1000;

    private readonly LiveOptions _options;
    private readonly TenantDirectory _tenants;
    private readonly TaskTable _table;
    private readonly TaskLifecycle _lifecycle;
    private readonly AdmissionGate _admission;
    private readonly Scheduler _scheduler;
    private readonly Inbox _inbox;
    private readonly InboxItem[] _drained = new InboxItem[1024];
    private readonly List<WorkerPool?> _pools = [];
    private readonly List<WorkerPool?> _byScheduler = [];
    private readonly Gathering<WorkerPool> _dirtyPools = new();
    private readonly Gathering<CallWorker> _touched = new();
    private readonly ConcurrentQueue<ShardEvent> _events = new();
    private readonly ReleasedWorkers _released = new();

    // What a round took out of the queue's bounds.
    private int _dispatchedTasks;
    private long _dispatchedBytes;

    // SYNC POINT: counted up after an event was enqueued and before the pump that follows.
    private int _posted;
    private int _handled;
    private int _requests;
    private bool _completing;

    // One look at the clock for all that a round dispatches: a look costs as much as a tenth of a task's way.
    private long _now;

    public Shard(LiveOptions options, TenantDirectory tenants, TaskTable table, TaskLifecycle lifecycle, AdmissionGate admission, Scheduler scheduler, Inbox inbox)
    {
        _options = options;
        _tenants = tenants;
        _table = table;
        _lifecycle = lifecycle;
        _admission = admission;
        _scheduler = scheduler;
        _inbox = inbox;
        ConfigurePreemption();
    }

    /// <summary>Set once by the composition before the first task.</summary>
    public CompletionThread Completion { get; set; } = null!;

    /// <summary>Set once by the composition before the first task.</summary>
    public Supervisor Supervisor { get; set; } = null!;

    /// <summary>Workers that stand ready for calls that come from other nodes. Set once by the composition.</summary>
    public Standbys Standbys { get; set; } = null!;

    /// <summary>Tasks that wait for a slot. A momentary value.</summary>
    public int Queued => _scheduler.Queued;

    /// <summary>Slots of the node that tasks hold. A momentary value.</summary>
    public int Outstanding => _scheduler.Outstanding;

    public long Dispatched { get; private set; }

    /// <summary>Uploads that met a full ring and wait for its worker.</summary>
    public long UploadWaits { get; private set; }

    /// <summary>Attempts that began from what an earlier one saved.</summary>
    public long BegunFromState { get; private set; }

    public Faults Faults { get; } = new();

    /// <summary>Puts an admitted task up for dispatch, on this thread if it can be.</summary>
    /// <param name="slot">Of the task table.</param>
    /// <param name="pool">Its pool's number.</param>
    /// <param name="level">0 to 63.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="deferring"><see cref="IsDeferring"/>, which the caller has asked already.</param>
    public void Submit(int slot, int pool, byte level, int tenant, bool deferring)
    {
        if (deferring)
        {
            SubmitInTurn(new InboxItem(slot, pool, level, tenant));
            return;
        }

        _inbox.Push(slot, pool, level, tenant);
        Pump();
    }

    /// <summary>Puts a task with a deadline up for dispatch. It does not come by the inbox, whose places have no room for that: the owner reads it from the record.</summary>
    public void SubmitDue(int slot) => Post(new ShardEvent(ShardEventKind.Requeue, Ticket: (uint)slot));

    public void Post(in ShardEvent item)
    {
        Enqueue(item);
        Pump();
    }

    private void Enqueue(in ShardEvent item)
    {
        _events.Enqueue(item);
        Interlocked.Increment(ref _posted);
    }

    /// <summary>
    /// Does what is to be done, unless another thread is at it, which then does it. SYNC POINT: the counter's interlocked
    /// operations order everything pushed before an increment before the round that follows it.
    /// </summary>
    public void Pump()
    {
        if (!Faults.Hit(FaultPoint.PumpLost) && Interlocked.Increment(ref _requests) == 1)
        {
            Own(Stopwatch.GetTimestamp());
        }
    }

    /// <summary>Goes on for an owner that handed over. Completion thread only.</summary>
    public void TakeOver() => Own(Stopwatch.GetTimestamp());

    /// <param name="now">A timestamp for the first round.</param>
    /// <param name="completing">This is the completion thread: nothing ends a task meanwhile.</param>
    private void Own(long now, bool completing = false)
    {
        _completing = completing;
        try
        {
            for (var round = 1; ; round++)
            {
                var seen = Volatile.Read(ref _requests);
                var isWhole = !Round(now);
                // SYNC POINT: also the fence of PublishGiven; partner is the worker's between its announcement of sleep and its last look (wy_wait_requests).
                var isLast = isWhole && Interlocked.Add(ref _requests, -seen) == 0;
                if (completing)
                {
                    PublishGiven(isFenced: isWhole);
                }

                if (isLast)
                {
                    return;
                }

                now = Stopwatch.GetTimestamp();

                if (round == MaxRounds || Faults.Hit(FaultPoint.HandOverLost))
                {
                    // Still the owner (the counter is not 0): the completion thread goes on in our place, in its next turn
                    // if this is that thread, so that neither a submitter nor the completions wait for others without bound.
                    Completion.RequestTakeOver();
                    return;
                }
            }
        }
        catch (Exception defect) when (!Debugger.IsAttached)
        {
            // Not the submitter's fault, and the shard has no owner any more: the process has to end.
            Completion.ReportDefect(defect);
        }
    }

    /// <returns>True when the inbox held more than one round takes.</returns>
    private bool Round(long now)
    {
        _now = now;
        _scheduler.Advance(now);
        while (_released.TryPop(out var worker))
        {
            worker.LeaveReleasedQueue();
            CollectReleased(worker, now);
        }

        // Before the events: a pool's opening is posted before its first task is pushed, so whoever drained the task finds it.
        var count = _inbox.Drain(_drained);
        HandleEvents();
        if (_lifecycle.HasReturnedMemory)
        {
            ServeMemory();
        }

        if (_frozen != 0)
        {
            EnqueueBesideFrozen(count);
        }
        else if (_completing)
        {
            EnqueueTurn(count);
        }
        else if (count != 1 || !TryPass(_drained[0]))
        {
            EnqueueAll(_drained.AsSpan(0, count));
        }

        DispatchWaiting();
        if (_scheduler.Queued != 0 && _preempts)
        {
            SeekVictims();
        }

        ReleaseAdmissions();
        for (var i = 0; i < _dirtyPools.Count; i++)
        {
            var pool = _dirtyPools[i];
            pool.Dirty = false;
            Grow(pool);
        }

        _dirtyPools.Clear();
        if (_completing)
        {
            // Before the exchange that puts the shard down, which waits until the requests have reached the workers that spin.
            _lifecycle.ForgetExcess(now);
            GiveTouched();
        }
        else
        {
            PublishTouched();
        }

        return count == _drained.Length;
    }

    private void DispatchWaiting()
    {
        if (_frozen != 0)
        {
            DispatchBesideFrozen();
            return;
        }

        while (_scheduler.TryDequeue(out var item))
        {
            Dispatch(item);
        }
    }

    private void EnqueueAll(ReadOnlySpan<InboxItem> items)
    {
        foreach (ref readonly var item in items)
        {
            Enqueue(item);
        }
    }

    private void Enqueue(in InboxItem item, long deadline = 0)
    {
        var pool = _pools[item.Pool]!;
        if (pool.Closed)
        {
            Orphan(item.Task, pool.Image.Failure ?? "the image was closed");
            return;
        }

        _scheduler.Enqueue(item.Task, pool.SchedulerId, item.Level, item.Tenant, deadline);
        MarkDirty(pool);
    }

    private void HandleEvents()
    {
        // Most rounds have none, and an int says so for less than the queue does.
        while (Volatile.Read(ref _posted) != _handled && _events.TryDequeue(out var item))
        {
            _handled++;
            Handle(item);
        }
    }

    /// <summary>A single task that nothing waits beside need not be sorted.</summary>
    private bool TryPass(in InboxItem item)
    {
        var pool = _pools[item.Pool]!;
        if (!TryTakePlace(pool, item.Level))
        {
            return false;
        }

        Dispatch(new ScheduledTask(item.Task, pool.SchedulerId, item.Level));
        WantSpare(pool);
        return true;
    }

    private bool TryTakePlace(WorkerPool pool, byte level) => !pool.Closed && _scheduler.TryPass(pool.SchedulerId, level);

    /// <summary>Nothing waits in the pool, but it may want a spare.</summary>
    private void WantSpare(WorkerPool pool)
    {
        if (pool.Available.Count < _options.Current.SpareWorkers)
        {
            MarkDirty(pool);
        }
    }

    private void Dispatch(in ScheduledTask item)
    {
        var record = _table[item.Task];
        var pool = _byScheduler[item.Pool]!;
        if (pool.IsCommand && !TryReserve(record, item.Level))
        {
            return; // it waits for memory, with its slot
        }

        Start(record, pool, item.Level);
    }

    private void Start(TaskRecord record, WorkerPool pool, byte level)
    {
        CountDispatched(record.AdmittedBytes); // while the entry holds the record; an end while queued has cleared the input
        var life = record.Life;
        var checkpoint = life?.Checkpoint;
        var direct = _completing && !pool.IsCommand && checkpoint is null;
        if (!_lifecycle.TryStart(record, _now, direct, level))
        {
            GiveBack(record, pool, level);
            return;
        }

        if (checkpoint is not null)
        {
            Continue(record, pool, level, checkpoint);
            return;
        }

        if (life is not null)
        {
            TaskLifecycle.TellBegun(life);
        }

        if (pool.IsCommand)
        {
            record.TakenLevel = level;
            _lending = -1;
            Dispatched++;
            _commands[(record.Id, record.Started)] = new RunningCommand(record, pool, level, record.Started);
            Supervisor.StartCommand(record, pool);
            return;
        }

        Call(record, pool, level, direct, life?.Saved);
    }

    private void CountDispatched(int bytes)
    {
        _dispatchedTasks++;
        _dispatchedBytes += bytes;
    }

    /// <param name="direct">It counts as running already: only on the completion thread.</param>
    /// <param name="saved">What an earlier attempt saved; null: nothing.</param>
    private void Call(TaskRecord record, WorkerPool pool, byte level, bool direct, SavedState? saved = null)
    {
        var hasState = saved is not null && saved.TryHold(); // before its ticket is in flight: from then on it may save anew
        Dispatched++;
        var worker = pool.Available[^1];
        ref var entry = ref worker.TakeEntry(out var ticket, out var index);
        if (worker.FreeCount == 0)
        {
            pool.Available.RemoveAt(pool.Available.Count - 1);
            worker.InAvailable = false;
        }

        Prepare(worker, index, record.Level);
        entry.Since = _now;
        entry.TakenLevel = level;
        entry.Record = record.Slot;
        entry.Level = record.Level;
        entry.Order = worker.NextOrder++;
        entry.OutputTotal = -1;
        entry.OutputKind = 0;
        var deadline = _now + (record.TimeoutMs * s_ticksPerMillisecond);
        Volatile.Write(ref entry.Deadline, deadline);
        Volatile.Write(ref entry.Ticket, ticket);
        record.Ticket = ticket;
        record.InFlightIndex = index;

        // SYNC POINT: partner is CommandExecutor.FindWorker, which reads the place first.
        Volatile.WriteBarrier();
        record.Worker = (int)(worker.Id & 0xFFFF);
        if (pool.TellsFacts)
        {
            worker.Writer.SetFacts(index, ticket, record.Id.High, record.Id.Low, (uint)(record.Life?.Attempt ?? 1), deadline * (1_000_000_000 / Stopwatch.Frequency));
        }

        if (hasState)
        {
            WriteWithState(worker, record, ticket, saved!);
        }
        else
        {
            Write(worker, record, ticket);
        }

        Supervisor.WatchDeadline(deadline);

        // Not before the input is in the ring: a worker that guesses its ticket could end the task, and an end in the
        // running state gives the input's memory back.
        if (!direct)
        {
            _lifecycle.Run(record, _now);
        }
    }

    /// <summary>What the call before it left at its index, and what it weighs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Prepare(CallWorker worker, int index, byte level)
    {
        if (worker.CancelBits[index])
        {
            worker.CancelBits[index] = false;
            worker.WantedBits[index] = false;
            worker.Writer.SetCancelled(index, false);
            worker.Writer.SetSaveWanted(index, false);
        }

        if (!worker.Weight.Covers(level))
        {
            NoteLevel(worker, level);
        }
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
        for (var i = 0; i < _touched.Count; i++)
        {
            var worker = _touched[i];
            if (worker.Touched) // else detached meanwhile
            {
                worker.Touched = false;
                worker.Writer.Publish();
            }
        }

        _touched.Clear();
    }

    /// <summary>Tells admission of a whole round at once: until then its tasks still count as queued.</summary>
    private void ReleaseAdmissions()
    {
        if (_dispatchedTasks != 0 || _dispatchedBytes != 0)
        {
            _admission.Release(_dispatchedTasks, _dispatchedBytes);
            _dispatchedTasks = 0;
            _dispatchedBytes = 0;
        }
    }

    private void CollectReleased(CallWorker worker, long now)
    {
        if (_frozen != 0 && worker.IsFrozen)
        {
            ThawForEnd(worker);
        }

        var count = FinishReleased(worker, now);
        if (count == 0)
        {
            EndIfIdle(worker);
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
            worker.IdleSince = now;
        }
    }
}
