using System.Globalization;
using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Core.Admission;

/// <param name="MaxQueued">Tasks admitted and not yet ended.</param>
/// <param name="MaxQueuedBytes">Bytes of their inputs together.</param>
/// <param name="MaxPayloadBytes">Bytes of one input.</param>
public sealed record AdmissionOptions(int MaxQueued, long MaxQueuedBytes, int MaxPayloadBytes)
{
    public static AdmissionOptions Default { get; } = new(1_000_000, 1L << 30, 64 << 20);

    /// <summary>What a refused caller is told to wait.</summary>
    public int RetryAfterMs { get; init; } = 50;
}

/// <summary>Which bound refused.</summary>
public enum AdmissionBound : byte
{
    PayloadBytes = 0,
    QueuedTasks,
    QueuedBytes,
}

/// <summary>Admissions of one thread that were not counted yet. That thread only.</summary>
public sealed class AdmissionBatch
{
    public int Tasks { get; internal set; }

    public long Bytes { get; internal set; }

    public void Clear() => (Tasks, Bytes) = (0, 0);
}

/// <summary>
/// The bounds before the queue. Any thread, wait-free: each admission adds to the counters first and takes back when that was
/// too much, so beside a refusal another caller may be refused although its own task would just have fitted.
/// Admissions allocate nothing; neither do refusals for a full queue.
/// </summary>
public sealed class AdmissionGate
{
    private Bounds _bounds;
    private long _queued;
    private long _bytes;
    private readonly long[] _refused = new long[Enum.GetValues<AdmissionBound>().Length];

    public AdmissionGate(AdmissionOptions options)
    {
        _bounds = Bounds.Of(options);
    }

    /// <summary>Other bounds from now on; what was admitted stays. Any thread.</summary>
    public void Change(AdmissionOptions options) => Volatile.Write(ref _bounds, Bounds.Of(options));

    /// <summary>Tasks inside, bytes of their inputs, and refusals since the start.</summary>
    public long Queued => Volatile.Read(ref _queued);
    public long QueuedBytes => Volatile.Read(ref _bytes);
    public long Refused => _refused.Sum();

    public long RefusedBy(AdmissionBound bound) => Volatile.Read(ref _refused[(int)bound]);

    /// <summary>Null: admitted, and <see cref="Release(int)"/> is owed with the same number.</summary>
    public OperationError? TryAdmit(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var bounds = Volatile.Read(ref _bounds);
        if (bytes > bounds.MaxPayloadBytes)
        {
            Interlocked.Increment(ref _refused[(int)AdmissionBound.PayloadBytes]);
            return new OperationError(
                ErrorCode.TooLarge,
                string.Create(CultureInfo.InvariantCulture, $"the input has {bytes} bytes: over the bound max_payload_bytes of {bounds.MaxPayloadBytes}"),
                "data");
        }

        if (Interlocked.Increment(ref _queued) > bounds.MaxQueued)
        {
            Interlocked.Decrement(ref _queued);
            Interlocked.Increment(ref _refused[(int)AdmissionBound.QueuedTasks]);
            return bounds.TooMany;
        }

        if (bytes != 0 && Interlocked.Add(ref _bytes, bytes) > bounds.MaxQueuedBytes)
        {
            Interlocked.Add(ref _bytes, -bytes);
            Interlocked.Decrement(ref _queued);
            Interlocked.Increment(ref _refused[(int)AdmissionBound.QueuedBytes]);
            return bounds.TooManyBytes;
        }

        return null;
    }

    /// <summary>
    /// The same for a thread that starts most of what it admits at once: it counts in a batch of its own, which <see cref="Settle"/> (or
    /// the releases of the same tasks, netted) brings to the gate. Until then others see fewer tasks than there are.
    /// </summary>
    public OperationError? TryAdmit(int bytes, AdmissionBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var bounds = Volatile.Read(ref _bounds);
        if ((uint)bytes > (uint)bounds.MaxPayloadBytes || Queued + batch.Tasks >= bounds.MaxQueued || QueuedBytes + batch.Bytes + bytes > bounds.MaxQueuedBytes)
        {
            Settle(batch);
            return TryAdmit(bytes);
        }

        batch.Tasks++;
        batch.Bytes += bytes;
        return null;
    }

    /// <summary>Counts the admissions of a batch.</summary>
    public void Settle(AdmissionBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Tasks != 0)
        {
            Release(-batch.Tasks, -batch.Bytes);
            batch.Clear();
        }
    }

    /// <summary>Gives back what an admission took.</summary>
    public void Release(int bytes) => Release(1, bytes);

    /// <summary>Gives back what <paramref name="tasks"/> admissions took together.</summary>
    public void Release(int tasks, long bytes)
    {
        Interlocked.Add(ref _queued, -tasks);
        if (bytes != 0)
        {
            Interlocked.Add(ref _bytes, -bytes);
        }
    }

    /// <summary>The bounds of now, with the refusals made beforehand.</summary>
    private sealed class Bounds
    {
        public required int MaxQueued { get; init; }

        public required long MaxQueuedBytes { get; init; }

        public required int MaxPayloadBytes { get; init; }

        public required OperationError TooMany { get; init; }

        public required OperationError TooManyBytes { get; init; }

        public static Bounds Of(AdmissionOptions options)
        {
            ArgumentNullException.ThrowIfNull(options);
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxQueued, nameof(options));
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxQueuedBytes, nameof(options));
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxPayloadBytes, nameof(options));
            return new Bounds
            {
                MaxQueued = options.MaxQueued,
                MaxQueuedBytes = options.MaxQueuedBytes,
                MaxPayloadBytes = options.MaxPayloadBytes,
                TooMany = Exhausted(options, $"{options.MaxQueued} tasks are queued or running: the bound max_queued"),
                TooManyBytes = Exhausted(options, $"the inputs of queued tasks reach {options.MaxQueuedBytes} bytes: the bound max_queued_bytes"),
            };
        }

        private static OperationError Exhausted(AdmissionOptions options, FormattableString message) =>
            new(ErrorCode.ResourceExhausted, FormattableString.Invariant(message), RetryAfterMs: options.RetryAfterMs);
    }
}
