using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Resources;

namespace Wayang.Fast.Execution.Resources;

/// <summary>
/// What the node has for its tasks, and what one of them is set aside. The node's part shrinks while tasks wait for memory in
/// the kernel, and grows again when they do not.
/// </summary>
internal sealed class MemoryPlan(LiveOptions options, Func<double> readPressure)
{
    private const double HighPressure = 0.1; // of the last ten seconds: somebody waited for memory
    private const double LowPressure = 0.01;
    private const double LeastShare = 0.5;
    private const double Shrink = 0.9;
    private const double Grow = 0.02;
    private const double PartForTasks = 0.8;

    private long _capacity = long.MaxValue;
    private double _share = 1;
    private volatile bool _pressed;

    /// <summary>Bytes for all tasks together, at this pressure. Any thread.</summary>
    public long Capacity => Volatile.Read(ref _capacity);

    /// <summary>Of what is configured, 0.5 to 1: what pressure has left. Any thread.</summary>
    public double Share => Volatile.Read(ref _share);

    /// <summary>Tasks of the host wait for memory, or did until lately: nothing grows. Any thread.</summary>
    public bool IsPressed => _pressed;

    /// <summary>Once a second, and when the options were replaced.</summary>
    public void Look()
    {
        var pressure = readPressure();
        var share = pressure > HighPressure ? Math.Max(LeastShare, _share * Shrink)
            : pressure < LowPressure ? Math.Min(1, _share + Grow)
            : _share;
        Volatile.Write(ref _share, share);
        _pressed = pressure > HighPressure || (_pressed && pressure >= LowPressure);
        var configured = options.Current.NodeMemoryBytes;
        var whole = configured > 0 ? configured : (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * PartForTasks);
        Volatile.Write(ref _capacity, (long)(whole * share));
    }

    /// <summary>
    /// What a limit is raised to because tasks like it ran out of memory: only for one that asked to be tried again then, since a limit is
    /// otherwise kept as it was given. 0: it stays.
    /// </summary>
    public static long FloorOf(TaskRecord record, RuntimeOptions options) =>
        options.PredictionQuantilePercent != 0 && record.Terms?.Retry is { } retry && (retry.On & RetryTerms.Bit(CauseType.OutOfMemory)) != 0
            ? record.Type?.MemoryFloor ?? 0
            : 0;

    /// <summary>Dispatch owner; also for an explanation, by anybody.</summary>
    public Reservation Of(TaskRecord record)
    {
        var now = options.Current;
        var profile = (record.Target as Workers.PoolTarget)?.Pool.Key.Profile ?? string.Empty;
        var policy = new ReservationPolicy(now.PredictionQuantilePercent / 100.0, now.PredictionMinSamples, ReservationPolicy.Default.Headroom);
        var asked = record.Terms?.Limits;
        var declared = asked?.ReservedBytes > 0 ? asked.ReservedBytes : asked?.MemoryBytes > 0 ? asked.MemoryBytes : now.WorkerReservedBytes;
        var limit = asked?.MemoryBytes > 0 ? Math.Max(asked.MemoryBytes, FloorOf(record, now)) : now.WorkerMemory(profile);
        return policy.Of(declared, limit, now.PredictionQuantilePercent == 0 ? null : record.Type);
    }
}
