using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// Calls by operation and code, how long those took that may take long, and bytes. Each thread counts in a recorder of its own, with
/// plain stores; whoever reads adds them up without a lock. There are recorders for the first <see cref="Recorders"/> threads of the
/// process that ever counted (socket threads and the completion thread are among them); later ones, which come and go with
/// the thread pool, share one under a lock.
/// </summary>
internal sealed class CallTally
{
    private const int Recorders = 64;
    private static readonly int s_operations = Enum.GetValues<OperationKind>().Length;
    private static readonly int s_codes = Enum.GetValues<ErrorCode>().Length;
    private static int s_threads;

    // 1-based; 0: this thread has none yet.
    [ThreadStatic]
    private static int t_number;

    private readonly Recorder?[] _recorders = new Recorder?[Recorders];
    private readonly Recorder _shared = new();

    /// <summary>A call that was answered at once: only counted, because to look at the clock would cost more than the answer.</summary>
    public void Count(OperationKind operation, ErrorCode code = ErrorCode.None)
    {
        if (Own() is { } own)
        {
            own.Count(operation, code);
            return;
        }

        lock (_shared)
        {
            _shared.Count(operation, code);
        }
    }

    public void Count(OperationKind operation, ErrorCode code, long microseconds)
    {
        if (Own() is { } own)
        {
            own.Count(operation, code);
            own.Took(operation, microseconds);
            return;
        }

        lock (_shared)
        {
            _shared.Count(operation, code);
            _shared.Took(operation, microseconds);
        }
    }

    /// <param name="since">A timestamp of <see cref="Stopwatch"/>.</param>
    public void CountSince(OperationKind operation, ErrorCode code, long since) =>
        Count(operation, code, (long)Stopwatch.GetElapsedTime(since).TotalMicroseconds);

    public void Received(int bytes)
    {
        if (Own() is { } own)
        {
            own.BytesIn += bytes;
            return;
        }

        lock (_shared)
        {
            _shared.BytesIn += bytes;
        }
    }

    public void Sent(int bytes)
    {
        if (Own() is { } own)
        {
            own.BytesOut += bytes;
            return;
        }

        lock (_shared)
        {
            _shared.BytesOut += bytes;
        }
    }

    public void WriteMetrics(Exposition to)
    {
        var all = _recorders.OfType<Recorder>().Append(_shared).ToList();
        to.Counter("wayang_rpc_calls_total", "Calls that were answered, by operation and code (ok, or that of the error).");
        foreach (var operation in OperationTable.All.Concat(PeerFields.BetweenNodes))
        {
            for (var code = 0; code < s_codes; code++)
            {
                if (all.Sum(r => r.CountOf(operation.Kind, code)) is > 0 and var count)
                {
                    to.Sample(count, "operation", operation.Name, "code", code == 0 ? "ok" : WireNames.Text((ErrorCode)code));
                }
            }
        }

        to.Histogram("wayang_rpc_call_seconds", "How long calls took that wait for something or are handled apart; the others are answered at once and only counted.");
        foreach (var operation in OperationTable.All.Concat(PeerFields.BetweenNodes))
        {
            var merged = LatencyHistogram.Coarse();
            foreach (var times in all.Select(r => r.TimesOf(operation.Kind)).OfType<LatencyHistogram>())
            {
                merged.Merge(times);
            }

            if (merged.Total > 0)
            {
                to.Distribution(merged, 1e-6, "operation", operation.Name);
            }
        }

        to.Counter("wayang_rpc_received_bytes_total", "Bytes that came from peers.", all.Sum(static r => r.BytesIn));
        to.Counter("wayang_rpc_sent_bytes_total", "Bytes that went to peers.", all.Sum(static r => r.BytesOut));
    }

    private Recorder? Own()
    {
        var number = t_number;
        if (number == 0)
        {
            number = t_number = Interlocked.Increment(ref s_threads);
        }

        return number > Recorders ? null : _recorders[number - 1] ?? Create(number - 1);
    }

    private Recorder Create(int place)
    {
        var recorder = new Recorder();
        Volatile.Write(ref _recorders[place], recorder);
        return recorder;
    }

    private sealed class Recorder
    {
        private readonly long[] _counts = new long[s_operations * s_codes];
        private readonly LatencyHistogram?[] _times = new LatencyHistogram?[s_operations];

        public long BytesIn { get; set; }

        public long BytesOut { get; set; }

        public void Count(OperationKind operation, ErrorCode code) => _counts[((int)operation * s_codes) + (int)code]++;

        public void Took(OperationKind operation, long microseconds) => (_times[(int)operation] ??= LatencyHistogram.Coarse()).Record(microseconds);

        public long CountOf(OperationKind operation, int code) => Volatile.Read(ref _counts[((int)operation * s_codes) + code]);

        public LatencyHistogram? TimesOf(OperationKind operation) => Volatile.Read(ref _times[(int)operation]);
    }
}
