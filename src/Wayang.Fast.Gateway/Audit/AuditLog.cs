using System.Buffers;
using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Audit;

/// <summary>
/// What operators did and were refused, in files of lines. Doors leave a record in a bounded queue and go on; a thread of its own writes them, many at once.
/// A file that cannot be written is tried again; what does not fit into the queue meanwhile is lost, counted and told: no request ever waits for it.
/// </summary>
public sealed class AuditLog : IMetricSource, IDisposable
{
    private const int BatchRecords = 256;

    private readonly AuditOptions _options;
    private readonly TimeProvider _time;
    private readonly Action<string, EventSeverity, byte[]>? _tell;
    private readonly Action<string>? _warn;
    private readonly BlockingCollection<AuditRecord> _queue;
    private readonly ManualResetEventSlim _stopping = new();
    private readonly CallRate _strangers;
    private readonly Thread _writer;
    private long _written;
    private long _lost;
    private long _lostTold;
    private long _lostWritten;
    private long _suppressed;
    private long _suppressedWritten;
    private volatile string? _problem;

    /// <param name="options">Where, and how much.</param>
    /// <param name="time">Clock of the records.</param>
    /// <param name="tell">Told as an event what an operator should know. Must not throw.</param>
    /// <param name="warn">Told in words what keeps it from writing. Must not throw.</param>
    public AuditLog(AuditOptions options, TimeProvider time, Action<string, EventSeverity, byte[]>? tell = null, Action<string>? warn = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _time, _tell, _warn) = (options, time, tell, warn);
        _queue = new BlockingCollection<AuditRecord>(options.QueuedRecords);
        _strangers = new CallRate(options.RefusalsPerSecond);
        _writer = new Thread(Run) { IsBackground = true, Name = "audit" };
        _writer.Start();
    }

    /// <summary>Why nothing is written now; null: it is.</summary>
    public string? Problem => _problem;

    /// <summary>Records that were not written, since too many waited.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Refused attempts that came too fast to be written one by one.</summary>
    public long Suppressed => Interlocked.Read(ref _suppressed);

    /// <summary>Records in the files.</summary>
    public long Written => Interlocked.Read(ref _written);

    /// <summary>Something that was done beside the doors, such as a reload. Any thread; waits for nothing.</summary>
    public void Note(string door, string from, string operation, string outcome) =>
        Post(new AuditRecord(_time.GetUtcNow().ToUnixTimeMilliseconds(), door, from, operation, outcome));

    /// <summary>
    /// A line of the file of tokens that came, changed or went: whoever can write that file says who may come in, and does it beside the doors. Never what
    /// the bearer shows.
    /// </summary>
    public void Note(TokenChange change, string file)
    {
        ArgumentNullException.ThrowIfNull(change);
        var operation = change switch { { Before: null } => "token.create", { After: null } => "token.revoke", _ => "token.change" };
        Post(new AuditRecord(Now, "file", file, operation, AuditRecord.Done)
        {
            Tenant = change.Token.Tenant, Target = [new("token", change.Token.Name), new("scopes", ScopeNames.Text(change.Token.Scopes))],
        });
    }

    /// <summary>A refused attempt: bounded for each caller, so that nobody can push what others did out of the files.</summary>
    internal void PostRefusal(AuditRecord record, Identity? caller)
    {
        if ((caller is null ? _strangers : caller.RefusalsOf(_options.RefusalsPerSecond)).Take() == 0)
        {
            Post(record);
        }
        else
        {
            Interlocked.Increment(ref _suppressed);
        }
    }

    internal void Post(AuditRecord record)
    {
        try
        {
            if (_queue.TryAdd(record))
            {
                return;
            }
        }
        catch (InvalidOperationException)
        {
            // After the stop.
        }

        Interlocked.Increment(ref _lost);
    }

    internal long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    public void WriteMetrics(Exposition exposition)
    {
        ArgumentNullException.ThrowIfNull(exposition);
        exposition.Counter("wayang_audit_records_total", "Records that stand in the audit log.", Written);
        exposition.Counter("wayang_audit_lost_total", "Records that were not written, since too many waited.", Lost);
        exposition.Counter("wayang_audit_suppressed_total", "Refused attempts that came too fast to be written one by one.", Suppressed);
        exposition.Gauge("wayang_audit_waiting", "Records that wait to be written.", _queue.Count);
        exposition.Gauge("wayang_audit_failing", "1: the audit log cannot be written now.", _problem is null ? 0 : 1);
    }

    /// <summary>Writes what waits, for a bounded time.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        _stopping.Set();
        if (_writer.Join(_options.Farewell))
        {
            _queue.Dispose();
            _stopping.Dispose();
        }
    }

    private void Run()
    {
        using var file = new AuditFile(_options);
        var lines = new ArrayBufferWriter<byte>();
        foreach (var first in _queue.GetConsumingEnumerable())
        {
            lines.ResetWrittenCount();
            first.WriteTo(lines);
            var count = 1L;
            while (count < BatchRecords && _queue.TryTake(out var next))
            {
                next.WriteTo(lines);
                count++;
            }

            var (lost, suppressed) = AppendCounts(lines);
            if (Store(file, lines.WrittenSpan))
            {
                Interlocked.Add(ref _written, count);
                (_lostWritten, _suppressedWritten) = (lost, suppressed);
            }
            else
            {
                Interlocked.Add(ref _lost, count);
            }

            TellLost();
        }
    }

    /// <summary>Lines that say what is not there.</summary>
    private (long Lost, long Suppressed) AppendCounts(ArrayBufferWriter<byte> lines)
    {
        var (lost, suppressed) = (Lost, Suppressed);
        if (lost > _lostWritten)
        {
            new AuditRecord(Now, "node", "node", "audit.lost", AuditRecord.Done) { Count = lost - _lostWritten }.WriteTo(lines);
        }

        if (suppressed > _suppressedWritten)
        {
            new AuditRecord(Now, "node", "node", "audit.suppressed", AuditRecord.Done) { Count = suppressed - _suppressedWritten }.WriteTo(lines);
        }

        return (lost, suppressed);
    }

    /// <summary>Tries until it stands there; false: the node stops, and it does not.</summary>
    private bool Store(AuditFile file, ReadOnlySpan<byte> lines)
    {
        while (true)
        {
            var last = _stopping.IsSet;
            try
            {
                file.Append(lines);
                Tell(problem: null);
                return true;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                Tell(failure.Message);
            }

            TellLost();
            if (last)
            {
                return false;
            }

            _stopping.Wait(_options.RetryAfter);
        }
    }

    private void Tell(string? problem)
    {
        var before = _problem;
        _problem = problem;
        if (problem is not null && before is null)
        {
            _tell?.Invoke(EventTypes.AuditPrefix + "failing", EventSeverity.Error, EventData.Text("reason", problem));
            _warn?.Invoke($"the audit log in {_options.Directory} cannot be written: {problem} The node serves on; {_options.QueuedRecords} records wait at most, it is tried again each {_options.RetryAfter.TotalSeconds:0.#} s");
        }
        else if (problem is null && before is not null)
        {
            _tell?.Invoke(EventTypes.AuditPrefix + "working", EventSeverity.Info, EventData.Nothing);
            _warn?.Invoke("the audit log is written again");
        }
    }

    private void TellLost()
    {
        var lost = Lost;
        if (lost > _lostTold)
        {
            _tell?.Invoke(EventTypes.AuditPrefix + "lost", EventSeverity.Error, EventData.Number("count", lost - _lostTold));
            _lostTold = lost;
        }
    }
}
