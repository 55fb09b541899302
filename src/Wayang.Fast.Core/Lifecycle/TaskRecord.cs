using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// All that is known of one task. Pooled: made once per slot of the <see cref="TaskTable"/> and used again for later tasks, so
/// a reference proves nothing by itself. Who may rely on one: the submitter from rent to admission; the dispatch owner and
/// the completion thread while the task has not ended; an observer during its call; anybody between
/// <see cref="TaskLifecycle.TryPin"/> and <see cref="TaskLifecycle.Unpin"/>.
/// </summary>
public sealed class TaskRecord : ITaskView
{
    private readonly TaskTable _table;
    private StreamBuffer? _stdout;
    private StreamBuffer? _stderr;
    private StreamBuffer? _log;
    private ProgressCell? _progress;
    private readonly TaskExtras[] _extras;
    private readonly TaskLinks[] _links;
    private readonly int _place; // in both
    private CauseWords _words;
    private CauseType _causeType;
    private int _causeValue;
    private volatile bool _cancelRequested;

    // SYNC POINT: true before an extra is written, so that most tasks cost no look at theirs.
    private volatile bool _hasExtras;

    // SYNC POINT: set by the dispatch owner while it has the scheduler's hold; exchanged for 0 by whoever gives it back.
    private long _lentBytes;

    // SYNC POINT: state, holds and generation in one word (RecordWord); every change that others may race is one
    // compare-exchange in TaskLifecycle.
    internal ulong Word;

    /// <param name="table">Whose it is.</param>
    /// <param name="slot">Its index there.</param>
    /// <param name="extras">Of the records of its chunk.</param>
    /// <param name="links">Of the same.</param>
    /// <param name="place">Its place among them.</param>
    internal TaskRecord(TaskTable table, int slot, TaskExtras[] extras, TaskLinks[] links, int place)
    {
        _table = table;
        _extras = extras;
        _links = links;
        _place = place;
        Slot = slot;
        Input = new PayloadBuffer(table.Slabs);
        Output = new StreamBuffer(table.Slabs);
        Word = RecordWord.FirstGeneration;
    }

    /// <summary>Index in the task table; what inbox and scheduler carry.</summary>
    public int Slot { get; }

    public TaskId Id { get; internal set; }
    public TaskKind Kind { get; set; }
    public TaskState State => RecordWord.State(Volatile.Read(ref Word));
    public TaskCause Cause =>
        State < TaskState.Succeeded ? default
        : _words.IsEmpty ? new TaskCause(_causeType, _causeValue) : _words.With(_table.Slabs, _causeType, _causeValue);

    public int Pool { get; set; }
    public int Tenant { get; set; }
    public byte Level { get; set; }
    public ushort Function { get; set; }
    public uint TimeoutMs { get; set; }

    /// <summary>Input bytes at admission: what is owed to the gate, whatever becomes of the input.</summary>
    public int AdmittedBytes { get; set; }
    public CommandLine? Command
    {
        get => _hasExtras ? Extras.Command : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Command = value;
            }
        }
    }

    /// <summary>Execution's, of a command: the level that the scheduler took it from.</summary>
    public byte TakenLevel { get; set; }

    /// <summary>Its tenant's quotas, which count it while it is queued (<see cref="HeldQuota"/>); null: it has none.</summary>
    public TenantGate? Quota
    {
        get => _hasExtras ? Extras.Quota : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Quota = value;
            }
        }
    }

    /// <summary>What it asked for; null: nothing.</summary>
    public TaskTerms? Terms
    {
        get => _hasExtras ? Extras.Terms : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Terms = value;
            }
        }
    }

    /// <summary>Its attempts, family, group and pauses; null for the many tasks that have none of these. Made once, never taken away before the record's reset.</summary>
    public TaskLife? Life => _hasExtras ? Volatile.Read(ref Extras.Life) : null;

    /// <summary>Makes the life of a task that had none. Any thread that holds the record.</summary>
    public TaskLife NeedLife()
    {
        if (Life is { } life)
        {
            return life;
        }

        life = new TaskLife();
        return Interlocked.CompareExchange(ref NeedExtras().Life, life, null) ?? life;
    }

    public CallTarget? Target
    {
        get => _links[_place].Target;
        set => _links[_place].Target = value;
    }

    /// <summary>Set by the supervisor before the end is told.</summary>
    public TaskArtifacts? Artifacts
    {
        get => _hasExtras ? Extras.Artifacts : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Artifacts = value;
            }
        }
    }

    /// <summary>What tasks like it need; null: nobody wants to know.</summary>
    public TaskType? Type
    {
        get => _hasExtras ? Extras.Type : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Type = value;
            }
        }
    }

    /// <summary>Of a pure task: under which its result is kept. Null: it is not pure.</summary>
    public ResultKey? ResultKey
    {
        get => _hasExtras ? Extras.ResultKey : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().ResultKey = value;
            }
        }
    }

    /// <summary>Its result is that of an earlier task.</summary>
    public bool FromCache { get; set; }

    /// <summary>Memory that its type and terms ask for, as it was last looked at by dispatch.</summary>
    public Reservation Reservation { get; set; }

    /// <summary>What the node's ledger has set aside for this task now. Dispatch owner only; before it tries to start the task.</summary>
    public void Lend(long bytes) => Volatile.Write(ref _lentBytes, bytes);

    /// <summary>Takes what was lent, once: its end, or the owner whose start came too late.</summary>
    public long TakeLent() => Volatile.Read(ref _lentBytes) == 0 ? 0 : Interlocked.Exchange(ref _lentBytes, 0);

    public PayloadBuffer Input { get; }
    public StreamBuffer Output { get; }

    /// <summary>Made at the first use, by the stream's one writer, or by <see cref="Complete"/>, and kept for the record's later tasks.</summary>
    public StreamBuffer Stdout => _stdout ?? CreateStream(ref _stdout);
    public StreamBuffer Stderr => _stderr ?? CreateStream(ref _stderr);

    /// <summary>What a call told its log: one JSON object a line.</summary>
    public StreamBuffer Log => _log ?? CreateStream(ref _log);

    /// <summary>How far the task said it is; null: it said nothing.</summary>
    public TaskProgress? Progress => Volatile.Read(ref _progress)?.Read();

    /// <summary>Completion thread only. The cell is made at the first use, and kept for the record's later tasks.</summary>
    public void SetProgress(ReadOnlySpan<byte> report)
    {
        if (_progress is null)
        {
            Volatile.Write(ref _progress, new ProgressCell(_table.Slabs));
        }

        _progress.Set(report);
    }

    /// <summary>Execution's: the worker that has the task, its place in that worker's in-flight table, the attempt's ticket.</summary>
    public int Worker { get; set; } = -1;
    public int InFlightIndex { get; set; } = -1;
    public uint Ticket { get; set; }

    /// <summary>Timestamps of the <see cref="TimeProvider"/>; 0 = not yet.</summary>
    public long Submitted { get; internal set; }
    public long Started { get; internal set; }
    public long Running { get; internal set; }
    public long Ended { get; internal set; }
    public long SubmittedUnixMs { get; internal set; }

    public ulong PeakMemoryBytes { get; set; }
    public ulong CpuMicroseconds { get; set; }

    /// <summary>Somebody asked the task to stop; read by dispatch and by the supervisor.</summary>
    public bool CancelRequested
    {
        get => _cancelRequested;
        set => _cancelRequested = value;
    }

    StreamBytes ITaskView.Output => new(Output);
    StreamBytes ITaskView.Stdout => _stdout is { } buffer ? new StreamBytes(buffer) : default;
    StreamBytes ITaskView.Stderr => _stderr is { } buffer ? new StreamBytes(buffer) : default;
    StreamBytes ITaskView.Log => _log is { } buffer ? new StreamBytes(buffer) : default;

    TaskLifeFacts? ITaskView.Life => Life?.Facts();

    public long StdoutDropped => _stdout?.Dropped ?? 0;
    public long StderrDropped => _stderr?.Dropped ?? 0;
    public long LogDropped => _log?.Dropped ?? 0;
    public int LogBytes => _log?.Length ?? 0;
    public int StdoutBytes => _stdout?.Length ?? 0;
    public int StderrBytes => _stderr?.Length ?? 0;

    public long QueueMicroseconds => Between(Submitted, Started != 0 ? Started : Ended);
    public long StartMicroseconds => Between(Started, Running != 0 ? Running : Ended);
    public long RunMicroseconds => Between(Running, Ended);

    internal ITaskObserver? Observer
    {
        get => _links[_place].Observer;
        set => _links[_place].Observer = value;
    }

    internal long Token { get; set; }

    /// <summary>Guarded by the lifecycle's lock of this slot.</summary>
    internal Waiter? Waiters
    {
        get => _hasExtras ? Extras.Waiters : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                NeedExtras().Waiters = value;
            }
        }
    }

    /// <summary>What the attempt that ended left: the next one begins with nothing but the log, which goes on. Completion thread only, while no attempt runs.</summary>
    internal void ForgetAttempt()
    {
        Output.Clear();
        _stdout?.Clear();
        _stderr?.Clear();
        _progress?.Clear();
    }

    /// <summary>Written under the lifecycle's lock of this slot.</summary>
    internal StreamWatch? Watches
    {
        get => _hasExtras ? Volatile.Read(ref Extras.Watches) : null;
        set
        {
            if (value is not null || _hasExtras)
            {
                Volatile.Write(ref NeedExtras().Watches, value);
            }
        }
    }

    /// <summary>Bytes of all that its end tells.</summary>
    internal long ResultBytes => Output.Length + (long)(_stdout?.Length ?? 0) + (_stderr?.Length ?? 0) + (_log?.Length ?? 0);

    /// <summary>Bytes of blocks that it holds, for the bound of retention.</summary>
    internal long PooledBytes =>
        Input.PooledBytes + (long)Output.PooledBytes + (_stdout?.PooledBytes ?? 0) + (_stderr?.PooledBytes ?? 0) + (_log?.PooledBytes ?? 0)
        + (_progress?.PooledBytes ?? 0) + _words.PooledBytes(_table.Slabs) + (Artifacts?.TotalBytes ?? 0);

    /// <summary>Makes what is else made at the first use. Before anybody has rented the record.</summary>
    internal void Complete()
    {
        _ = Stdout;
        _ = Stderr;
        _ = Log;
        _progress ??= new ProgressCell(_table.Slabs);
    }

    internal void SetCause(in TaskCause cause)
    {
        _causeType = cause.Type;
        _causeValue = cause.Value;
        if (cause.Detail is not null || cause.Traceback is not null)
        {
            _words.Set(_table.Slabs, cause.Detail, cause.Traceback);
        }
        else
        {
            _words.Clear(_table.Slabs); // of an end that came too late to be one
        }
    }

    /// <summary>Copies a part of a stream while its writer goes on; nothing where there is no such stream. False: try again.</summary>
    internal bool TryCopy(OutputStream stream, long offset, Span<byte> destination, out int count, out int total, out long dropped)
    {
        (count, total, dropped) = (0, 0, 0);
        return Stream(stream) is not { } source || source.TryCopy(offset, destination, out count, out total, out dropped);
    }

    private StreamBuffer? Stream(OutputStream stream) => stream switch
    {
        OutputStream.Output => Output,
        OutputStream.Stdout => Volatile.Read(ref _stdout),
        OutputStream.Stderr => Volatile.Read(ref _stderr),
        OutputStream.Log => Volatile.Read(ref _log),
        _ => null,
    };

    /// <summary>Drops everything that belongs to the past task. Only for the one who recycles the record.</summary>
    internal void Reset()
    {
        Input.Clear();
        Output.Clear();
        _stdout?.Clear();
        _stderr?.Clear();
        _log?.Clear();
        _progress?.Clear();
        if (_hasExtras)
        {
            Extras = default;
            _hasExtras = false;
        }

        _links[_place] = default;
        Reservation = default;
        FromCache = false;
        _words.Clear(_table.Slabs);
        _causeType = default;
        _causeValue = 0;
        _cancelRequested = false;
        Worker = -1;
        InFlightIndex = -1;
        Started = 0;
        Running = 0;
        Ended = 0;
        PeakMemoryBytes = 0;
        CpuMicroseconds = 0;
    }

    private ref TaskExtras Extras => ref _extras[_place];

    private ref TaskExtras NeedExtras()
    {
        _hasExtras = true;
        return ref _extras[_place];
    }

    private StreamBuffer CreateStream(ref StreamBuffer? field)
    {
        var buffer = new StreamBuffer(_table.Slabs);
        return Interlocked.CompareExchange(ref field, buffer, null) ?? buffer;
    }

    private long Between(long from, long to) => from == 0 || to == 0 || to < from ? 0 : (long)((to - from) * _table.MicrosecondsPerTick);
}

/// <summary>Somebody who waits for an end besides the submission's observer.</summary>
internal sealed class Waiter(ITaskObserver observer, long token)
{
    public ITaskObserver Observer { get; } = observer;
    public long Token { get; } = token;
    public Waiter? Next { get; set; }
}

/// <summary>
/// Layout of <see cref="TaskRecord.Word"/>. The generation stands in the same word as the state, so a compare-exchange of a
/// thread that looked at an earlier task of the slot always fails.
/// <code>
/// bits 0-6   TaskState (None: free, or rented and not yet admitted)
/// bit  7     Durable: its starts are told to who stores them; stands with what makes an entry no plain turn, so others pay nothing for it
/// bit  8     Entry: inbox or scheduler still hold the slot
/// bit  9     Evicted: forgotten by retention; found no more; recycled by whoever drops the last hold
/// bit  10    HasWaiters: the end must look at the list of waiters
/// bit  11    Withdrawn: the submission's observer is not to be told
/// bits 12-23 pins: readers that keep the record from being recycled
/// bit  24    Held: it waits outside the scheduler (for its next attempt, or paused); an entry that comes up does not start it
/// bits 25-31 stale entries: places in the scheduler that the task left, each consumed when it comes up
/// bits 32-63 generation (its lower 24 bits stand in the id)
/// </code>
/// </summary>
internal static class RecordWord
{
    public const ulong StateMask = 0x7F;
    public const ulong Durable = 1UL << 7;
    public const ulong Entry = 1UL << 8;
    public const ulong Evicted = 1UL << 9;
    public const ulong HasWaiters = 1UL << 10;
    public const ulong Withdrawn = 1UL << 11;
    public const ulong OnePin = 1UL << 12;
    public const ulong PinMask = 0xFFFUL << 12;
    public const ulong Held = 1UL << 24;
    public const ulong OneStale = 1UL << 25;
    public const ulong StaleMask = 0x7FUL << 25;
    /// <summary>What the scheduler has of the task.</summary>
    public const ulong Places = Entry | StaleMask;
    public const ulong Holds = Entry | PinMask | StaleMask;

    /// <summary>What differs from <see cref="Entry"/> alone when an entry that comes up is not simply a task's turn.</summary>
    public const ulong EntryMarks = Entry | Held | StaleMask | Durable;
    public const ulong FirstGeneration = 1UL << 32;

    public static TaskState State(ulong word) => (TaskState)(word & StateMask);

    public static uint Generation(ulong word) => (uint)(word >> 32);

    public static bool HasEnded(ulong word) => State(word) >= TaskState.Succeeded;

    /// <summary>Forgotten, and nobody holds it any more: the one whose change led here recycles.</summary>
    public static bool IsFree(ulong word) => (word & (Evicted | Holds)) == Evicted;
}
