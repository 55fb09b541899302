using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>
/// The embedded ledger: one SQLite file. A thread of its own takes what was posted, stores all of it in one transaction (WAL, synchronous=FULL) and
/// tells the receipts; what is posted meanwhile is the next one's. After a failure the file is closed, submissions are refused, and starts
/// and ends are tried again until they are stored.
/// </summary>
public sealed partial class SqliteLedger : ITaskLedger, IWebhookStore
{
    private const int MostWrites = 4_096;
    private const long MostBytes = 32L << 20;
    private static readonly TimeSpan s_sweepInterval = TimeSpan.FromSeconds(10);

    private readonly LedgerOptions _options;
    private readonly TimeProvider _time;
    private readonly LedgerReader _reader;
    private readonly LedgerSweep _sweep;
    private readonly ConcurrentQueue<LedgerWrite> _queue = new();
    private readonly List<LedgerWrite> _batch = [];
    private readonly List<NodeEvent> _told = [];
    private readonly AutoResetEvent _posted = new(initialState: false);
    private readonly Thread _thread;
    private FileStream? _lock;
    private SqliteConnection? _connection;
    private LedgerStatements? _statements;
    private volatile LedgerFailure? _failure;
    private volatile bool _stopping;
    private int _signalled;
    private long _waiting;
    private long _commits;
    private long _stored;
    private long _failures;
    private long _nextSweep;

    private SqliteLedger(LedgerOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _reader = new LedgerReader(options.Path);
        _sweep = new LedgerSweep(options, time);
        _thread = new Thread(Run) { IsBackground = true, Name = "ledger" };
    }

    /// <summary>Opens the ledger, or one that says why it cannot be used and tries again.</summary>
    public static SqliteLedger Open(LedgerOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        var ledger = new SqliteLedger(options, time);
        ledger.TryOpen();
        ledger._thread.Start();
        return ledger;
    }

    /// <summary>The database's file.</summary>
    public string Path => _options.Path;

    public OperationError? Refusal =>
        _failure is { } failure ? failure.ToError()
        : Volatile.Read(ref _waiting) >= _options.MaxWaiting
            ? new OperationError(ErrorCode.ResourceExhausted, $"{_options.MaxWaiting} durable tasks and ends wait for their commit already", "durable", 100)
            : null;

    public LedgerStatus Status => new(
        _failure?.Problem, Volatile.Read(ref _waiting), Volatile.Read(ref _commits), Volatile.Read(ref _stored), Volatile.Read(ref _failures),
        SizeOf(_options.Path) + SizeOf(_options.Path + "-wal"));

    public void Post(LedgerWrite write)
    {
        Interlocked.Increment(ref _waiting);
        _queue.Enqueue(write);

        // SYNC POINT: partner is Take, which clears the mark before it looks at the queue.
        if (Volatile.Read(ref _signalled) == 0 && Interlocked.Exchange(ref _signalled, 1) == 0)
        {
            try
            {
                _posted.Set();
            }
            catch (ObjectDisposedException)
            {
                // Closed, as after a kill: nothing is stored any more, and nobody is told that it was.
            }
        }
    }

    public LedgerTask? Find(TaskId id) => Readable().Find(id);

    public IReadOnlyList<LedgerTask> ReadLive() => Readable().ReadLive();

    public IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since) => Readable().ReadKeys(since);

    public Action<IReadOnlyList<NodeEvent>>? EventsStored { get; set; }

    public string? EventProblem => _failure?.Problem;

    public long? LastEvent()
    {
        try
        {
            return Readable().ReadLastEvent();
        }
        catch (LedgerUnreadableException)
        {
            return null;
        }
    }

    public IReadOnlyList<NodeEvent> ReadEvents(long since, int limit) => Readable().ReadEvents(since, limit);

    public void PostEvents(IReadOnlyList<NodeEvent> events, Action onStored) => Post(new LedgerEvents(events, onStored));

    public byte[]? ReadImage(string hash) => Readable().ReadImage(hash);

    /// <summary>Stores what was posted before, and closes the file.</summary>
    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        _posted.Set();
        _thread.Join();
        _reader.Dispose(); // before the writer: who closes last brings what is in the WAL into the file
        Close();
        _lock?.Dispose();
        _lock = null;
        _posted.Dispose();
    }

    /// <summary>A file that is not ours, or newer than we are, is not read: what we took for its meaning might be wrong.</summary>
    private LedgerReader Readable() => _failure is { IsFinal: true, Problem: var why } ? throw new LedgerUnreadableException(why) : _reader;

    private static long SizeOf(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;

    private void Run()
    {
        while (!_stopping)
        {
            _posted.WaitOne(_options.Pulse);
            Turn();
        }

        Turn();
    }

    /// <summary>Stores all that waits, in as many commits as its size asks for.</summary>
    private void Turn()
    {
        do
        {
            Take();
            if (_connection is null && !TryOpen())
            {
                RefuseSubmissions();
                return;
            }

            if (_batch.Count > 0 && !TryCommit())
            {
                RefuseSubmissions();
                return;
            }
        }
        while (!_queue.IsEmpty);

        Forget();
    }

    private void Take()
    {
        Interlocked.Exchange(ref _signalled, 0);
        var bytes = _batch.Sum(static w => w.Bytes);
        while (_batch.Count < MostWrites && bytes < MostBytes && _queue.TryDequeue(out var write))
        {
            bytes += write.Bytes;
            _batch.Add(write);
        }

        Step(CommitStep.Taken);
    }

    private bool TryCommit()
    {
        var ended = 0;
        _told.Clear();
        try
        {
            using (var transaction = _connection!.BeginTransaction(deferred: false))
            {
                Step(CommitStep.Begun);
                foreach (var write in _batch)
                {
                    ended += _statements!.Write(write, transaction, _told);
                }

                Step(CommitStep.Written);
                transaction.Commit();
            }

            Step(CommitStep.Committed);
        }
        catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // Closed: after a failed write nothing that the connection holds is to be believed.
            Close();
            Fail(LedgerFailure.Of(failure, _options.Path));
            return false;
        }

        _sweep.Add(ended);
        Interlocked.Add(ref _waiting, -_batch.Count);
        Volatile.Write(ref _commits, _commits + 1);
        Volatile.Write(ref _stored, _stored + _batch.Count);
        _sweep.AddEvents(_told.Count);
        if (_told.Count > 0)
        {
            EventsStored?.Invoke([.. _told]); // before the receipts: who was told an end finds its event
        }

        foreach (var write in _batch)
        {
            write.OnStored();
        }

        _batch.Clear();
        Step(CommitStep.Told);
        return true;
    }

    /// <summary>Starts and ends stay: what was told of their tasks is true, and only waits to be stored. What somebody asks for goes.</summary>
    private void RefuseSubmissions()
    {
        if (_failure is not { } failure)
        {
            return;
        }

        var error = failure.ToError();
        foreach (var asked in _batch.Where(static w => w.MayBeRefused))
        {
            Interlocked.Decrement(ref _waiting);
            asked.OnRefused(error);
        }

        _batch.RemoveAll(static w => w.MayBeRefused);
    }

    private bool TryOpen()
    {
        if (_failure is { IsFinal: true })
        {
            return false;
        }

        try
        {
            LedgerDatabase.Create(_options.Path);

            // Held until the end: two daemons on one file would each take the other's tasks for lost.
            _lock ??= new FileStream(_options.Path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Fail(new LedgerFailure($"{_options.Path} cannot be locked: {failure.Message}"));
            return false;
        }

        (_connection, var problem) = LedgerDatabase.OpenWriter(_options.Path);
        if (problem is not null)
        {
            Fail(problem);
            return false;
        }

        try
        {
            _statements = new LedgerStatements(_connection!);
            _sweep.Count(_connection!);
        }
        catch (SqliteException failure)
        {
            Close();
            Fail(LedgerFailure.Of(failure, _options.Path));
            return false;
        }

        Recover();
        return _connection is not null;
    }

    /// <summary>Whether it can be written again is seen by writing: a file on a full disk opens well.</summary>
    private void Recover()
    {
        if (_failure is null)
        {
            return;
        }

        if (_batch.Count == 0)
        {
            try
            {
                LedgerSchema.Execute(_connection!, $"BEGIN IMMEDIATE; PRAGMA user_version = {LedgerSchema.Version}; COMMIT;");
            }
            catch (SqliteException failure)
            {
                Close();
                Fail(LedgerFailure.Of(failure, _options.Path));
                return;
            }
        }
        else if (!TryCommit())
        {
            return;
        }

        _failure = null;
        _options.OnChange?.Invoke("the ledger stores again");
    }

    private void Fail(LedgerFailure failure)
    {
        var known = _failure;
        _failure = failure;
        Interlocked.Increment(ref _failures);
        if (known?.Problem != failure.Problem)
        {
            _options.OnChange?.Invoke($"the ledger does not store: {failure.Problem}");
        }
    }

    private void Forget()
    {
        if (_connection is null || _stopping || _time.GetTimestamp() < _nextSweep)
        {
            return;
        }

        try
        {
            _nextSweep = _sweep.Run(_connection, _statements!)
                ? 0
                : _time.GetTimestamp() + (long)(s_sweepInterval.TotalSeconds * _time.TimestampFrequency);
        }
        catch (SqliteException failure)
        {
            Close();
            Fail(LedgerFailure.Of(failure, _options.Path));
        }
    }

    private void Close()
    {
        _statements?.Dispose();
        _statements = null;
        _connection?.Dispose();
        _connection = null;
    }

    private void Step(CommitStep step) => _options.OnStep?.Invoke(step);
}
