using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <content>
/// The completion thread's turn: what it gives back and submits (its observers do) needs no hand-over to the owner, since it is the
/// owner itself when its turn ends, as a rule, or already when it submits.
/// </content>
internal sealed partial class Shard
{
    private readonly Gathering<CallWorker> _turnReleased = new();
    private readonly Gathering<CallWorker> _turnGiven = new();
    private readonly InboxItem[] _turnSubmitted = new InboxItem[1024];
    private int _turnSubmittedCount;
    private int _deferringThread;
    private bool _ownsTurn;

    /// <summary>What the completion thread admitted in its turn; settled at the turn's end.</summary>
    public AdmissionBatch Admissions { get; } = new();

    /// <summary>The completion thread's timestamp; kept by it.</summary>
    public TurnClock Clock { get; } = new();

    /// <summary>This is the completion thread, inside its turn.</summary>
    public bool IsDeferring => Environment.CurrentManagedThreadId == _deferringThread;

    /// <summary>The completion thread defers the dispatch of what it submits to the end of its batch. That thread only.</summary>
    public void BeginDeferring() => _deferringThread = Environment.CurrentManagedThreadId;

    public void EndDeferring()
    {
        _deferringThread = 0;
        if (_ownsTurn || TryOwnTurn())
        {
            // The usual case: nobody else is at it.
            _ownsTurn = false;
            for (var i = 0; i < _turnReleased.Count; i++)
            {
                var worker = _turnReleased[i];
                worker.ReleasedInTurn = false;
                CollectReleased(worker, Clock.Now);
            }

            _turnReleased.Clear();

            // Most of it leaves the queue in the round that follows: only the difference is counted.
            _dispatchedTasks -= Admissions.Tasks;
            _dispatchedBytes -= Admissions.Bytes;
            Admissions.Clear();
            Own(Clock.Now, completing: true);
            return;
        }

        _lifecycle.ForgetExcess(Clock.Now);
        _admission.Settle(Admissions);
        HandOverTurn();
        Pump();
    }

    /// <summary>
    /// An index of a worker is free again. Completion thread only; the end of its turn makes it known to the owner.
    /// </summary>
    public void Release(CallWorker worker, int index)
    {
        if (worker.Release(index))
        {
            _turnReleased.Add(worker);
        }
    }

    private void HandOverTurn()
    {
        for (var i = 0; i < _turnSubmittedCount; i++)
        {
            ref readonly var item = ref _turnSubmitted[i];
            _inbox.Push(item.Task, item.Pool, item.Level, item.Tenant);
        }

        _turnSubmittedCount = 0;
        for (var i = 0; i < _turnReleased.Count; i++)
        {
            var worker = _turnReleased[i];
            worker.ReleasedInTurn = false;
            if (worker.EnterReleasedQueue())
            {
                _released.Push(worker);
            }
        }

        _turnReleased.Clear();
    }

    /// <summary>
    /// A task that nothing waits beside goes to its worker at once, before the rest of the end whose observer submitted it: that runs beside the
    /// worker then. The shard stays this thread's until the turn ends.
    /// </summary>
    private void SubmitInTurn(in InboxItem item)
    {
        if (!MayPassInTurn() || !TryPass(item))
        {
            KeepForTurn(item);
        }
    }

    /// <summary>
    /// A rented, filled record becomes a task. One that nothing waits beside is a running one at once: nobody has seen it wait, so that is a store
    /// and no exchange. Completion thread only, inside its turn.
    /// </summary>
    public TaskId AdmitInTurn(TaskRecord record, int poolId, byte level, ITaskObserver? observer, long token)
    {
        if (MayPassInTurn())
        {
            var pool = _pools[poolId]!;
            if (!pool.IsCommand && TryTakePlace(pool, level))
            {
                var id = _lifecycle.AdmitRunning(record, observer, token, _now);
                CountDispatched(record.AdmittedBytes);
                Call(record, pool, level, direct: true);
                WantSpare(pool);
                return id;
            }
        }

        var slot = record.Slot;
        var tenant = record.Tenant;
        var queued = _lifecycle.Admit(record, observer, token, Clock.Now);
        KeepForTurn(new InboxItem(slot, poolId, level, tenant));
        return queued;
    }

    private bool MayPassInTurn() => _turnSubmittedCount == 0
        && (_ownsTurn || TryOwnTurn())
        && Volatile.Read(ref _posted) == _handled
        && _inbox.Waiting == 0;

    private void KeepForTurn(in InboxItem item)
    {
        if (_turnSubmittedCount < _turnSubmitted.Length)
        {
            _turnSubmitted[_turnSubmittedCount++] = item;
            return;
        }

        _inbox.Push(item.Task, item.Pool, item.Level, item.Tenant);
    }

    private bool TryOwnTurn()
    {
        if (Faults.Hit(FaultPoint.PumpLost) || Interlocked.CompareExchange(ref _requests, 1, 0) != 0)
        {
            return false;
        }

        _ownsTurn = true;
        _completing = true;
        _now = Clock.Now;
        return true;
    }

    /// <summary>What others submitted, then what this thread did in its turn.</summary>
    private void EnqueueTurn(int drained)
    {
        var own = _turnSubmittedCount;
        _turnSubmittedCount = 0;
        if (drained + own == 1 && TryPass(own == 1 ? _turnSubmitted[0] : _drained[0]))
        {
            return;
        }

        EnqueueAll(_drained.AsSpan(0, drained));
        EnqueueAll(_turnSubmitted.AsSpan(0, own));
    }

    /// <summary>
    /// The completion thread wakes whom it gave requests when it has put the shard down: that exchange is the fence which this needs. No channel goes away meanwhile, since
    /// it is this thread that lets go of one. Another owner may ring for the same sleep: one wake more.
    /// </summary>
    private void GiveTouched()
    {
        for (var i = 0; i < _touched.Count; i++)
        {
            var worker = _touched[i];
            if (worker.Touched) // else detached meanwhile
            {
                worker.Touched = false;
                _turnGiven.Add(worker);
            }
        }

        _touched.Clear();
    }

    private void PublishGiven(bool isFenced)
    {
        for (var i = 0; i < _turnGiven.Count; i++)
        {
            var writer = _turnGiven[i].Writer;
            if (isFenced)
            {
                writer.PublishFenced();
            }
            else
            {
                writer.Publish();
            }
        }

        _turnGiven.Clear();
    }
}
