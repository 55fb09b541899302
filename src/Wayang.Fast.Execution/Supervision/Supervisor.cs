using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Commands;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Images;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Network;
using Wayang.Fast.Execution.Resources;
using Wayang.Fast.Execution.Spawner;
using Wayang.Fast.Execution.Workers;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Supervision;

/// <summary>
/// The thread that talks to the spawner, moves the streams of commands, and watches the clock. Everything on it may take
/// milliseconds; nothing on the dispatch path waits for it.
/// </summary>
internal sealed partial class Supervisor : IDisposable
{
    private const ulong SignalToken = ulong.MaxValue;
    private const ulong SpawnerToken = ulong.MaxValue - 1;
    private const int RetryMilliseconds = 5;
    private const int ReadySeconds = 30;

    private readonly Poller _poller = new();
    private readonly EventSignal _signal = new();
    private readonly ConcurrentQueue<SupervisorRequest> _requests = new();
    private readonly List<SupervisorRequest> _retries = [];
    private readonly PollEvent[] _events = new PollEvent[128];
    private readonly byte[] _buffer = new byte[ProtocolLayout.MaxBytes];
    private readonly SpawnerLink _link = new();
    private readonly ProfileKeeper _profiles;
    private readonly NetworkOffers _networks;
    private readonly ImageKeeper _images;
    private readonly WorkerLauncher _launcher;
    private readonly CommandRunner _commands;
    private readonly WorkerHeartbeats _heartbeats;
    private readonly SecurityScans _scans;
    private readonly UsageSampler _usage;
    private readonly IncidentLog _incidents;
    private readonly ClockWatch _wall = new(TimeProvider.System);
    private readonly Lock _retiring = new();
    private readonly long[] _exits = new long[Enum.GetValues<ExitKind>().Length + 1];
    private long _retiredSpaceRings;
    private readonly CompletionThread _completion;
    private readonly Shard _shard;
    private readonly ISupervisorLog _log;
    private readonly Thread _thread;
    private readonly Action<Exception> _onDefect;
    private readonly ConcurrentQueue<PacketSocket> _spawners = new();
    private long _nextDeadline = long.MaxValue;
    private long _nextTick;
    private int _signalled;
    private int _attached = -1;
    private volatile bool _stopping;

    public Supervisor(
        Shard shard, CompletionThread completion, TaskLifecycle lifecycle, WorkerTable workers, LiveOptions options, IncidentLog incidents,
        ISupervisorLog log, Action<Exception> onDefect)
    {
        Workers = workers;
        _shard = shard;
        _completion = completion;
        _log = log;
        _onDefect = onDefect;
        _incidents = incidents;
        _heartbeats = new WorkerHeartbeats(workers, completion, options, incidents, log);
        _scans = new SecurityScans(_link, options, incidents, log);
        _networks = new NetworkOffers(_poller, _link, incidents, log);
        _profiles = new ProfileKeeper(_link, options);
        _images = new ImageKeeper(_link, shard, options, incidents, log);
        _launcher = new WorkerLauncher(_link, completion, workers, options, _networks);
        _commands = new CommandRunner(_poller, workers, _link, lifecycle, shard, completion, options, _networks);
        _usage = new UsageSampler(_link, workers, _commands);
        _poller.Add(_signal.Descriptor, SignalToken, edgeTriggered: false);
        _thread = new Thread(Run) { Name = "wayang-supervisor", IsBackground = true };
    }

    public WorkerTable Workers { get; }

    /// <summary>Set once by the composition.</summary>
    public LifeTimers Timers { get; set; } = null!;

    public Welcome? Welcome => _link.Welcome;

    public bool IsReady => _link.IsReady;

    public int RunningCommands => _commands.Running;

    public long StreamReads => _commands.Reads;

    public long CommandsMemoryBytes => _usage.CommandsMemoryBytes;

    public long WorkersStarted => _launcher.Started;

    public long SpawnersLost { get; private set; }

    public long SpawnersAttached { get; private set; }

    public long ZygotesLost => _images.Lost;

    public long WorkersRungAgain => _heartbeats.RungAgain;

    /// <summary>Turns so far: what stands still while this thread does.</summary>
    public long Beats { get; private set; }

    /// <summary>Ends of workers and commands by how their process went.</summary>
    public long ExitsOf(ExitKind kind) => Volatile.Read(ref _exits[(int)kind]);

    /// <summary>How often workers found their completion ring full; those that are gone count too.</summary>
    public long SpaceRings
    {
        get
        {
            lock (_retiring)
            {
                return _retiredSpaceRings + Workers.All().Sum(static w => w.Reader.SpaceRings);
            }
        }
    }

    /// <summary>Has each worker compared with its profile; null when nobody answers. Thread-safe, blocks.</summary>
    public ScanReport? Scan(TimeSpan patience) => _scans.Run(patience, Wake);

    public long ScansDone => _scans.Done;

    /// <summary>Asks for a turn. Thread-safe.</summary>
    public void Nudge() => Wake();

    public void Start() => _thread.Start();

    /// <summary>A spawner was started for us: its socket is ours from now on. Thread-safe.</summary>
    public void AttachSpawner(PacketSocket socket)
    {
        _spawners.Enqueue(socket);
        Wake();
    }

    public void StartWorkers(WorkerPool pool, int count) => Post(new SupervisorRequest(SupervisorRequestKind.StartWorkers, pool, count));

    /// <summary>Set once by the composition before <see cref="Start"/>.</summary>
    public MemoryPlan Memory { get; set; } = null!;

    public void StartCommand(TaskRecord record, WorkerPool pool) =>
        Post(new SupervisorRequest(SupervisorRequestKind.StartCommand, pool, Record: record, Id: record.Id, Deadline: DeadlineOf(record)));

    public void StopCommand(TaskId id, TaskState state, in TaskCause cause) =>
        Post(new SupervisorRequest(SupervisorRequestKind.StopCommand, Id: id, State: state, Cause: cause));

    /// <summary>Sends the cancel back to the completion thread in a moment.</summary>
    public void RetryCancel(TaskId id) => Post(new SupervisorRequest(SupervisorRequestKind.RetryCancel, Id: id));

    public void Kill(ulong worker) => Post(new SupervisorRequest(SupervisorRequestKind.Kill, Worker: worker));

    public void Dispose(CallWorker worker) => Post(new SupervisorRequest(SupervisorRequestKind.DisposeWorker, CallWorker: worker));

    public void OpenImage(Image image) => Post(new SupervisorRequest(SupervisorRequestKind.OpenImage, Image: image));

    /// <summary>Makes sure that the clock is looked at when <paramref name="deadline"/> is reached. Thread-safe, lock-free.</summary>
    public void WatchDeadline(long deadline)
    {
        var next = Volatile.Read(ref _nextDeadline);
        while (deadline < next)
        {
            var seen = Interlocked.CompareExchange(ref _nextDeadline, deadline, next);
            if (seen == next)
            {
                Wake();
                return;
            }

            next = seen;
        }
    }

    public void Stop()
    {
        _stopping = true;
        Wake();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    public void Dispose()
    {
        Stop();
        _commands.CloseAll();
        _networks.CloseAll();
        _link.Dispose();
        AwaitFileWork();
        _poller.Dispose();
        _signal.Dispose();
    }

    private void Post(in SupervisorRequest request)
    {
        _requests.Enqueue(request);
        Wake();
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
        try
        {
            while (!_stopping)
            {
                Turn();
            }
        }
        catch (Exception defect) when (!Debugger.IsAttached)
        {
            _onDefect(defect);
        }
    }

    private void Turn()
    {
        Beats++;
        while (_shard.Faults.Hit(FaultPoint.SupervisorStuck) && !_stopping)
        {
            Thread.Yield();
        }

        var count = _poller.Wait(_events, Timeout());
        for (var i = 0; i < count; i++)
        {
            var token = _events[i].Token;
            if (token == SignalToken)
            {
                _signal.Drain();
                // SYNC POINT: cleared before the queues are read; a later Post signals again.
                Interlocked.Exchange(ref _signalled, 0);
            }
            else if (token == SpawnerToken)
            {
                ReceiveFromSpawner();
            }
            else if (NetworkOffers.IsToken(token))
            {
                _networks.OnReadable(token);
            }
            else
            {
                _commands.OnPipe(token);
            }
        }

        _commands.LookAtDue();
        while (_spawners.TryDequeue(out var socket))
        {
            Attach(socket);
        }

        Retry();
        while (_requests.TryDequeue(out var request))
        {
            Handle(request);
        }

        _link.Flush();
        if (_link.IsBroken)
        {
            LoseSpawner("its socket failed");
        }

        WatchClock();
    }

    private void Handle(in SupervisorRequest request)
    {
        switch (request.Kind)
        {
            case SupervisorRequestKind.StartWorkers:
                StartWorkers(request);
                break;
            case SupervisorRequestKind.StartCommand:
                StartCommand(request);
                break;
            case SupervisorRequestKind.StopCommand:
                if (_commands.Stop(request.Id, request.State, request.Cause))
                {
                    WatchDeadline(Stopwatch.GetTimestamp() + (long)(CommandExecutor.CancelGrace.TotalSeconds * Stopwatch.Frequency));
                }
                else
                {
                    // Not started yet, or over: the completion thread looks again and stops asking once it has ended.
                    _retries.Add(new SupervisorRequest(SupervisorRequestKind.RetryCancel, Id: request.Id));
                }

                break;
            case SupervisorRequestKind.RetryCancel:
                _retries.Add(request);
                break;
            case SupervisorRequestKind.PauseCommand or SupervisorRequestKind.AskToYield:
                ChangePause(request);
                break;
            case SupervisorRequestKind.FreezeCommand:
                WatchDeadline(_commands.Preempt(request.Id, request.Freeze));
                break;
            case SupervisorRequestKind.FreezeWorker:
                _link.SendFreeze(request.Worker, request.Freeze);
                break;
            case SupervisorRequestKind.Capture or SupervisorRequestKind.LetGo or SupervisorRequestKind.GoOn or SupervisorRequestKind.Continue:
                HandleMove(request);
                break;
            case SupervisorRequestKind.BeginStandby or SupervisorRequestKind.FillStandby or SupervisorRequestKind.GiveUpStandby:
                HandleStandby(request);
                break;
            case SupervisorRequestKind.WeighWorker:
                Tell(request.CallWorker!, request.Class);
                break;
            case SupervisorRequestKind.Kill:
                _link.SendSignal(request.Worker, 9);
                break;
            case SupervisorRequestKind.DisposeWorker:
                lock (_retiring)
                {
                    _retiredSpaceRings += request.CallWorker!.Reader.SpaceRings;
                    Workers.Remove(request.CallWorker.Id);
                }

                _networks.Close(request.CallWorker.Id);
                request.CallWorker.Dispose();
                break;
            default:
                _images.Open(request.Image!);
                break;
        }
    }

    private void StartWorkers(in SupervisorRequest request)
    {
        var pool = request.Pool!;
        if (pool.Image.State == ImageState.Failed)
        {
            for (var i = 0; i < request.Count; i++)
            {
                _shard.Post(new ShardEvent(ShardEventKind.WorkerStartFailed, Pool: pool, Reason: pool.Image.Failure ?? "the image failed"));
            }

            // A pool that was made while its image failed is not among those that were closed then.
            _shard.Post(new ShardEvent(ShardEventKind.PoolClosed, Pool: pool));
            return;
        }

        if (!_link.IsReady || pool.Image.State != ImageState.Ready)
        {
            _retries.Add(request);
            return;
        }

        for (var i = 0; i < request.Count; i++)
        {
            if (_launcher.Start(pool) is { } why)
            {
                _shard.Post(new ShardEvent(ShardEventKind.WorkerStartFailed, Pool: pool, Reason: why));
            }
        }
    }

    private void StartCommand(in SupervisorRequest request)
    {
        var pool = request.Pool!;
        var record = request.Record!;
        if (pool.Image.State == ImageState.Failed)
        {
            var (level, started) = (record.TakenLevel, record.Started);
            _completion.PostFailed(record, pool.Image.Failure ?? "the image failed");
            _shard.Post(new ShardEvent(ShardEventKind.CommandEnded, Pool: pool, Level: level, Ticks: -1, Id: request.Id, Since: started));
        }
        else if (record.CancelRequested)
        {
            var asked = record.Life?.Asked ?? new AskedEnd(TaskState.Cancelled, new TaskCause(CauseType.Cancelled));
            EndUnstarted(request, asked.State, asked.Cause);
        }
        else if (Stopwatch.GetTimestamp() >= request.Deadline)
        {
            EndUnstarted(request, TaskState.TimedOut, new TaskCause(CauseType.Timeout, 0, "its time was over before it could be started"));
        }
        else if (!_link.IsReady || pool.Image.State != ImageState.Ready)
        {
            _retries.Add(request);
        }
        else
        {
            _commands.Start(record, pool, request.Deadline);
            WatchDeadline(request.Deadline);
        }
    }

    private void EndUnstarted(in SupervisorRequest request, TaskState state, in TaskCause cause)
    {
        var (level, started) = (request.Record!.TakenLevel, request.Record.Started); // after its end the record may be another task's
        _completion.Post(new CompletionCommand(CompletionCommandKind.End, Record: request.Record, State: state, Cause: cause));
        _shard.Post(new ShardEvent(ShardEventKind.CommandEnded, Pool: request.Pool, Level: level, Ticks: -1, Id: request.Id, Since: started));
    }

    private static long DeadlineOf(TaskRecord record) =>
        Stopwatch.GetTimestamp() + (long)(record.TimeoutMs * (Stopwatch.Frequency / 1000.0));

    private void WatchClock()
    {
        var now = Stopwatch.GetTimestamp();
        _scans.OnTurn(now);
        var tick = now >= _nextTick;
        if (tick)
        {
            _nextTick = now + Stopwatch.Frequency;
            Memory.Look(); // before the pools are looked at
            _shard.Post(new ShardEvent(ShardEventKind.Trim));
            _completion.Post(new CompletionCommand(CompletionCommandKind.Sweep));
            _heartbeats.Judge(now);
            _usage.Tick();
            WeighAll();
            TellJump(_wall.Look());
        }

        // At each tick as well: a dispatch whose entry was not visible to a scan may have found its deadline watched already.
        if (!tick && now < Volatile.Read(ref _nextDeadline))
        {
            return;
        }

        // SYNC POINT: reset first; a deadline that is set during the scan lowers it again.
        Interlocked.Exchange(ref _nextDeadline, long.MaxValue);
        WatchDeadline(Math.Min(Timers.Sweep(now, _completion), Math.Min(_commands.Sweep(now), SweepCalls(now))));
    }

    private void TellJump(TimeSpan jump)
    {
        if (jump != TimeSpan.Zero)
        {
            var reason = string.Create(
                CultureInfo.InvariantCulture,
                $"the wall clock was put {(jump > TimeSpan.Zero ? "forward" : "back")} by {jump.Duration():c}: tasks' times go on as before, what is due by it was corrected (README, \"When the clock is set\")");
            _log.Warn(reason);
            _incidents.Add(IncidentKind.ClockJump, string.Empty, reason, jump.Duration());
        }
    }

    /// <summary>Finds calls over their time, and workers that never became ready; returns the earliest next deadline.</summary>
    private long SweepCalls(long now)
    {
        var next = long.MaxValue;
        foreach (var worker in Workers.All())
        {
            if (!worker.SaidReady && now - worker.StartRequested > ReadySeconds * Stopwatch.Frequency)
            {
                _completion.Post(new CompletionCommand(
                    CompletionCommandKind.Violation, worker, Reason: $"was not ready after {ReadySeconds} s"));
            }

            for (var i = 0; i < worker.Entries.Length; i++)
            {
                var ticket = Volatile.Read(ref worker.Entries[i].Ticket);
                var deadline = Volatile.Read(ref worker.Entries[i].Deadline);
                if (ticket == 0 || deadline == long.MaxValue)
                {
                    continue;
                }

                if (deadline <= now)
                {
                    _completion.Post(new CompletionCommand(CompletionCommandKind.CallExpired, worker, Ticket: ticket));
                }
                else
                {
                    next = Math.Min(next, deadline);
                }
            }
        }

        return next;
    }
}
