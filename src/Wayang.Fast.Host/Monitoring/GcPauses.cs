using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Looks at each garbage collection once it is over: an object that nobody holds is finalized after the next one, and makes its
/// successor. That costs a small object a collection and nothing in between, unlike a listener of runtime events. Pauses go into
/// a histogram per generation; one that stopped all threads for over <see cref="Long"/> is also told as an incident.
/// </summary>
/// <param name="log">Told each collection that was seen; null: none.</param>
internal sealed class GcPauses(IncidentLog incidents, ISupervisorLog? log = null) : IMetricSource
{
    /// <summary>What the dispatch path must not meet.</summary>
    public static readonly TimeSpan Long = TimeSpan.FromMilliseconds(1);

    /// <summary>Set to 1, each collection is a line of the daemon's log: for whoever looks for what survives.</summary>
    private const string LogVariable = "WAYANG_LOG_COLLECTIONS";

    private const int Generations = 3;
    private readonly long[] _promoted = new long[Generations];
    private readonly LatencyHistogram[] _pauses = [.. Enumerable.Range(0, Generations).Select(static _ => LatencyHistogram.Coarse())];
    private readonly Lock _gate = new();
    private long _seen = GC.CollectionCount(0);
    private long _unseen;

    public static bool IsLogged => Environment.GetEnvironmentVariable(LogVariable) == "1";

    public void Start() => _ = new Sentinel(this);

    public void WriteMetrics(Exposition exposition)
    {
        exposition.Histogram("wayang_gc_pause_seconds", "How long a garbage collection stopped all threads, by generation; a concurrent one stops them twice.");
        for (var generation = 0; generation < Generations; generation++)
        {
            exposition.Distribution(_pauses[generation], 1e-6, "generation", generation.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        exposition.Counter("wayang_gc_unseen_total", "Garbage collections that followed another before it was looked at.", Volatile.Read(ref _unseen));
        exposition.Counter("wayang_gc_stopped_seconds_total", "Time for which garbage collections stopped all threads.", GC.GetTotalPauseDuration().TotalSeconds);
        exposition.Counter("wayang_gc_collections_total", "Garbage collections, by generation; a higher one counts for the lower ones too.");
        for (var generation = 0; generation < Generations; generation++)
        {
            exposition.Sample(GC.CollectionCount(generation), "generation", generation.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        exposition.Counter("wayang_gc_promoted_bytes_total", "Managed memory that survived garbage collections, by generation: what their pauses are spent on.");
        for (var generation = 0; generation < Generations; generation++)
        {
            exposition.Sample(Volatile.Read(ref _promoted[generation]), "generation", generation.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        var memory = GC.GetGCMemoryInfo(GCKind.Any);
        exposition.Counter("wayang_gc_allocated_bytes_total", "Managed memory that was allocated.", GC.GetTotalAllocatedBytes());
        exposition.Gauge("wayang_gc_heap_bytes", "Managed memory in use, garbage included.", GC.GetTotalMemory(forceFullCollection: false));
        exposition.Gauge("wayang_gc_committed_bytes", "Memory that the managed heap holds of the system, at its last collection.", memory.TotalCommittedBytes);
        exposition.Gauge("wayang_gc_fragmented_bytes", "Holes in the managed heap, at its last collection.", memory.FragmentedBytes);
    }

    private void Look()
    {
        var last = GC.GetGCMemoryInfo(GCKind.Any);
        lock (_gate)
        {
            if (last.Index <= _seen)
            {
                return;
            }

            _unseen += last.Index - _seen - 1;
            _seen = last.Index;
            Tell(last);
        }
    }

    private void Tell(in GCMemoryInfo last)
    {
        var generation = Math.Min(last.Generation, Generations - 1);
        var how = last.Concurrent ? "concurrent" : last.Compacted ? "blocking, compacting" : "blocking";
        Volatile.Write(ref _promoted[generation], _promoted[generation] + last.PromotedBytes);
        foreach (var pause in last.PauseDurations)
        {
            if (pause == TimeSpan.Zero)
            {
                continue;
            }

            _pauses[generation].Record((long)pause.TotalMicroseconds);
            if (pause > Long)
            {
                incidents.Add(
                    IncidentKind.GcPause, string.Empty,
                    FormattableString.Invariant($"generation {last.Generation}, {how}: all threads stood still for {pause.TotalMilliseconds:F2} ms, {last.PromotedBytes} bytes survived"), pause);
            }
        }

        if (log is not null)
        {
            var pauses = string.Join(" + ", last.PauseDurations.ToArray().Where(static p => p > TimeSpan.Zero).Select(static p => FormattableString.Invariant($"{p.TotalMilliseconds:F2}")));
            log.Info(FormattableString.Invariant($"collection {last.Index}: generation {last.Generation}, {how}, paused {pauses} ms, promoted {last.PromotedBytes} bytes of {last.HeapSizeBytes}"));
        }
    }

    private sealed class Sentinel(GcPauses owner)
    {
#pragma warning disable MA0055 // To be finalized is all that it is for.
        ~Sentinel()
#pragma warning restore MA0055
        {
            if (!Environment.HasShutdownStarted)
            {
                owner.Look();
                _ = new Sentinel(owner);
            }
        }
    }
}
