using System.Collections.Concurrent;
using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Supervision;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// The one thread of a shard that reads the workers' rings and ends tasks. It sleeps only in epoll, over the workers'
/// doorbells and its own signal; with a spin budget it first looks at the rings of the workers that have calls in flight.
/// After each batch it dispatches what became possible and then tells the observers once more (coalesced replies).
/// </summary>
internal sealed class CompletionThread : IDisposable
{
    private const ulong SignalToken = ulong.MaxValue;
    private const int MaxItemsPerTurn = 256;

    // What one worker, and all that rang, may bring in one turn: so that whoever floods holds the others up for microseconds only.
    // One chunk of a long payload; short ends of calls never come near it.
    private const int MaxBytesPerTurn = ChannelLayout.MaxChunkBytes;
    private const int MaxBytesOfAllPerTurn = 4 * MaxBytesPerTurn;

    // Beside so much in one visit its time is looked at, too: memory that is written for the first time may cost more than its bytes say.
    private const int TimedBytes = 16 << 10;
    private const int BytesPerMicrosecond = MaxBytesOfAllPerTurn / 400;

    // While it spins, the doorbells of sleeping workers are looked at so often.
    private const int SpinMicrosecondsPerLook = 50;
    private const int SpinLooksPerClock = 256;
    private const int ItemsPerClock = 16;
    private const int TurnsPerClock = 16;

    // A task's record with its two buffers, which are allocated one after the other.
    private const int RecordBytes = 640;
    private const int MaxEmptyDoorbellsPerSecond = 20_000;

    private readonly Shard _shard;
    private readonly TaskLifecycle _lifecycle;
    private readonly CompletionReceiver _receiver;
    private readonly WorkerTable _workers;
    private readonly Poller _poller = new();
    private readonly EventSignal _signal = new();
    private readonly ConcurrentQueue<CompletionCommand> _commands = new();
    private readonly CommandExecutor _executor;
    private readonly TurnRound<CallWorker> _pollList = new(MaxBytesOfAllPerTurn);
    private readonly VisitRest _rest;
    private readonly PollEvent[] _events = new PollEvent[128];
    private readonly long _spinTicks;
    private readonly Thread _thread;
    private readonly int _cpu;
    private readonly Action<Exception> _onDefect;
    private readonly TurnClock _clock;
    private readonly long _lookTicks;
    private long _looked;
    private int _turnsSinceClock;
    private int _posted; // commands, by whomever
    private int _executed;
    private int _signalled;
    private int _takeOver;
    private bool _ended;
    private volatile bool _stopping;

    public CompletionThread(
        Shard shard, TaskTable table, TaskLifecycle lifecycle, WorkerTable workers, LiveOptions options, LifeExecutor life, Action<Exception> onDefect)
    {
        _shard = shard;
        _clock = shard.Clock;
        _lookTicks = (long)(SpinMicrosecondsPerLook * (Stopwatch.Frequency / 1e6));
        _lifecycle = lifecycle;
        _workers = workers;
        _onDefect = onDefect;
        _receiver = new CompletionReceiver(shard, table, lifecycle, options);
        _executor = new CommandExecutor(shard, table, lifecycle, _receiver, life);
        _spinTicks = (long)(options.Current.SpinMicroseconds * (Stopwatch.Frequency / 1e6));
        _rest = new VisitRest(spins: _spinTicks > 0, TimeProvider.System);
        _cpu = options.Current.CompletionCpu;
        _poller.Add(_signal.Descriptor, SignalToken, edgeTriggered: false);
        _thread = new Thread(Run) { Name = "wayang-completion", IsBackground = true, Priority = ThreadPriority.AboveNormal };
    }

    public bool IsCurrent => Thread.CurrentThread == _thread;

    /// <summary>Set once by the composition before <see cref="Start"/>.</summary>
    public Supervisor Supervisor
    {
        set => _executor.Supervisor = value;
    }

    public long Wakeups { get; private set; }

    /// <summary>Turns so far: what stands still while this thread does.</summary>
    public long Beats { get; private set; }

    public long StaleCompletions => _receiver.Stale;

    public void Start() => _thread.Start();

    /// <summary>Watches a worker's doorbell from now on. Thread-safe; before the worker is started.</summary>
    public void Watch(CallWorker worker) => _poller.Add(worker.Channel.Doorbell, worker.Id, edgeTriggered: true);

    /// <summary>For a worker that was never started, or is gone. Thread-safe.</summary>
    public void Unwatch(CallWorker worker) => _poller.Remove(worker.Channel.Doorbell);

    /// <summary>Thread-safe.</summary>
    public void Post(in CompletionCommand command)
    {
        _commands.Enqueue(command);
        Interlocked.Increment(ref _posted);
        if (!_stopping)
        {
            Wake(); // else nobody waits: what wakes it may be closed already
        }
    }

    public void PostDetached(CallWorker worker) => Post(new CompletionCommand(CompletionCommandKind.WorkerDetached, worker));

    /// <summary>Ends a task that never ran because nothing can run it.</summary>
    public void PostFailed(TaskRecord record, string why) => Post(new CompletionCommand(
        CompletionCommandKind.End, Record: record, State: TaskState.Failed, Cause: new TaskCause(CauseType.WorkerLost, 0, why)));

    /// <summary>A worker moved where no correct worker can be: it is ended. Thread-safe.</summary>
    public void PostViolation(CallWorker worker, string reason) =>
        Post(new CompletionCommand(CompletionCommandKind.Violation, worker, Reason: reason));

    /// <summary>A thread that worked for the runtime met a defect: the process has to end. Thread-safe.</summary>
    public void ReportDefect(Exception defect)
    {
        if (!_stopping)
        {
            _onDefect(defect);
        }
    }

    /// <summary>The dispatch owner hands the shard over.</summary>
    public void RequestTakeOver()
    {
        Volatile.Write(ref _takeOver, 1);
        if (!_shard.Faults.Hit(FaultPoint.HandOverLost))
        {
            Wake();
        }
    }

    /// <summary>True for the one thread that goes on for an owner that handed over.</summary>
    public bool TryClaimTakeOver() => Volatile.Read(ref _takeOver) != 0 && Interlocked.Exchange(ref _takeOver, 0) == 1;

    /// <summary>Asks for a turn. Thread-safe.</summary>
    public void Nudge() => Wake();

    public void Stop()
    {
        _stopping = true;
        Wake();
        if (_thread.IsAlive && !IsCurrent)
        {
            _thread.Join();
        }
    }

    public void Dispose()
    {
        Stop();
        _poller.Dispose();
        _signal.Dispose();
    }

    private void Wake()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0)
        {
            _signal.Signal();
        }
    }

    private void Run()
    {
        if (_cpu >= 0)
        {
            Processor.PinThread(_cpu);
        }

        try
        {
            while (!_stopping && !_ended)
            {
                Turn();
            }

            // What was asked before the stop, the end of all tasks among it, may have come after the last turn looked.
            ExecuteCommands();
            _lifecycle.EndBatch();
        }
        catch (Exception defect) when (!Debugger.IsAttached)
        {
            _onDefect(defect);
        }
    }

    private void Turn()
    {
        Beats++;
        _shard.BeginDeferring(); // before the wait, since it is this thread's alone: what comes is then taken at once
        var resting = _rest.IsOn();
        var timeout = resting ? _rest.Microseconds : _pollList.Count > 0 ? Spin() : -1;
        var look = timeout != 0 || _spinTicks == 0 || Volatile.Read(ref _signalled) != 0 || _clock.Now - _looked > _lookTicks;
        var count = 0;
        if (look)
        {
            count = _poller.WaitMicroseconds(_events, timeout);
            _clock.Read();
            _looked = _clock.Now;
        }

        if (count > 0)
        {
            Wakeups++;
            _pollList.Begin();
        }

        for (var i = 0; i < count; i++)
        {
            if (_events[i].Token == SignalToken)
            {
                _signal.Drain();
                // SYNC POINT: cleared before the queue is read; a later Post signals again.
                Interlocked.Exchange(ref _signalled, 0);
            }
            else if (_workers.Find(_events[i].Token) is { } worker)
            {
                OnDoorbell(worker);
            }
        }

        if (_pollList.Count > 0 && !(resting && _rest.IsOn()))
        {
            VisitPollList();
        }

        // Looked at before: when we hand over to ourselves below, the completions come first.
        var takeOver = TryClaimTakeOver();
        _shard.EndDeferring();
        if (takeOver)
        {
            _shard.TakeOver();
        }

        AfterDispatch();
    }

    /// <summary>What can wait until the workers have their next requests, and runs beside them; replies (a system call each) among it.</summary>
    private void AfterDispatch()
    {
        if (_executor.OwesSweep)
        {
            _executor.Sweep();
            Wake(); // the next turn goes on, behind what has come meanwhile
        }

        ExecuteCommands();
        _lifecycle.EndBatch();
        if (_spinTicks > 0 && ++_turnsSinceClock >= TurnsPerClock)
        {
            // For the next turns: at their start nothing would run beside this. Turns without a wait are shorter than a microsecond.
            _turnsSinceClock = 0;
            _clock.Read();
            PublishHeads();
        }

        if (_lifecycle.NextToForget is { } next)
        {
            Processor.Prefetch(next, RecordBytes);
        }
    }

    private void PublishHeads()
    {
        for (var i = 0; i < _pollList.Count; i++)
        {
            _pollList[i].Reader.PublishHead();
        }
    }

    /// <summary>
    /// Looks at the rings of the workers in the poll list for the spin budget. Those that stay empty go to sleep: their flag
    /// is set, the ring is looked at once more, and they leave the list.
    /// </summary>
    /// <returns>0 when something is to be read, -1 when all are asleep and epoll may block.</returns>
    private int Spin()
    {
        // The clock is looked at only when nothing came for a while.
        var until = 0L;
        for (var looks = 1; ; looks++)
        {
            for (var i = 0; i < _pollList.Count; i++)
            {
                if (_pollList[i].Reader.HasCompletion)
                {
                    return 0;
                }
            }

            if (Volatile.Read(ref _signalled) != 0)
            {
                return 0;
            }

            if (_spinTicks == 0)
            {
                break;
            }

            if (looks % SpinLooksPerClock != 0)
            {
                Processor.Relax(); // the worker may share this processor's core
                continue;
            }

            PublishHeads();
            _clock.Read();
            until = until == 0 ? _clock.Now + _spinTicks : until;
            if (_clock.Now >= until)
            {
                break;
            }

            Thread.SpinWait(1);
        }

        for (var i = _pollList.Count - 1; i >= 0; i--)
        {
            var worker = _pollList[i];
            if (worker.Reader.PrepareSleep())
            {
                worker.Reader.CancelSleep();
                return 0;
            }

            worker.InPollList = false;
            _pollList.RemoveAt(i);
        }

        return -1;
    }

    private void OnDoorbell(CallWorker worker)
    {
        if (worker.UploadsPending)
        {
            _shard.Post(new ShardEvent(ShardEventKind.SpaceFreed, worker));
        }

        if (worker.InPollList)
        {
            return;
        }

        worker.Reader.CancelSleep();
        var keep = true; // those before it brought all that a turn takes: it is visited with the next turns
        if (_pollList.HasBytesLeft && Drain(worker, out keep) == 0 && !worker.UploadsPending)
        {
            CountEmptyDoorbell(worker);
        }

        if (keep)
        {
            worker.InPollList = true;
            _pollList.Add(worker);
        }
    }

    private void VisitPollList()
    {
        _rest.Begin();

        // Bytes of its own: whoever rings again and again takes none from those that wait here.
        _pollList.Begin();
        while (_pollList.Visit() is { } worker)
        {
            Drain(worker, out var keep);
            if (keep)
            {
                _pollList.Keep();
            }
            else
            {
                worker.InPollList = false;
                _pollList.Drop();
            }
        }

        _rest.End(isMore: _pollList.Count > 0);
    }

    /// <summary>Reads what a worker has published, at most one turn's share; the rest stays for the next turn.</summary>
    /// <param name="worker">Awake.</param>
    /// <param name="keep">It is to be looked at in the next turn, without a doorbell.</param>
    private int Drain(CallWorker worker, out bool keep)
    {
        keep = false;
        var bytes = 0;
        var read = 0;
        for (; ; read++)
        {
            if (read == MaxItemsPerTurn || bytes >= MaxBytesPerTurn)
            {
                worker.Reader.PublishHead();
                keep = true;
                break;
            }

            if (read % ItemsPerClock == ItemsPerClock - 1)
            {
                _clock.Read();
            }

            var outcome = _receiver.TryReceive(worker);
            if (outcome == ReceiveOutcome.Received)
            {
                bytes += _receiver.Weight;
                continue;
            }

            if (outcome == ReceiveOutcome.Empty)
            {
                if (_spinTicks > 0)
                {
                    keep = true;
                    break;
                }

                if (worker.Reader.PrepareSleep())
                {
                    worker.Reader.CancelSleep();
                    continue;
                }
            }

            break;
        }

        if (bytes >= TimedBytes)
        {
            var before = _clock.Now;
            _clock.Read();
            bytes = Math.Max(bytes, (int)Math.Min(MaxBytesOfAllPerTurn, Stopwatch.GetElapsedTime(before, _clock.Now).TotalMicroseconds * BytesPerMicrosecond));
        }

        _pollList.Spend(bytes);
        return read;
    }

    private void CountEmptyDoorbell(CallWorker worker)
    {
        var now = Stopwatch.GetTimestamp();
        if (now - worker.EmptyDoorbellsSince > Stopwatch.Frequency)
        {
            worker.EmptyDoorbellsSince = now;
            worker.EmptyDoorbells = 0;
        }

        if (++worker.EmptyDoorbells > MaxEmptyDoorbellsPerSecond)
        {
            _receiver.Violate(worker, "rang its doorbell without work too often");
        }
    }

    private void ExecuteCommands()
    {
        // Nothing after the shutdown: every task has its end, and their records may be gone.
        // As a rule there are none, and an int says so for less than the queue does.
        while (!_ended && Volatile.Read(ref _posted) != _executed && _commands.TryDequeue(out var command))
        {
            _executed++;
            _ended = command.Kind == CompletionCommandKind.Shutdown;
            _clock.Read();
            if (command.Kind == CompletionCommandKind.WorkerDetached)
            {
                var worker = command.Worker!;
                _receiver.DrainToEnd(worker);
                if (worker.InPollList)
                {
                    worker.InPollList = false;
                    _pollList.Remove(worker);
                }

                Unwatch(worker);
            }

            _executor.Execute(command);
        }
    }
}
