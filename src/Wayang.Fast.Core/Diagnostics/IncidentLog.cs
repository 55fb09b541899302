namespace Wayang.Fast.Core.Diagnostics;

/// <summary>What went wrong, or nearly did, and was seen to by the runtime itself.</summary>
public enum IncidentKind : byte
{
    /// <summary>Work that could run did not: the watchdog set it going again.</summary>
    Heal = 0,

    /// <summary>One of the runtime's threads stands still.</summary>
    ThreadStalled,

    /// <summary>A worker with a call did nothing for the heartbeat's time, and was ended.</summary>
    WorkerUnresponsive,
    SpawnerLost,
    ZygoteLost,

    /// <summary>The garbage collector stopped all threads for over a millisecond.</summary>
    GcPause,

    /// <summary>A security scan found something that is not as it has to be.</summary>
    ScanFinding,

    /// <summary>A task tried to connect to what it was not granted.</summary>
    ConnectionRefused,

    /// <summary>The wall clock was set while the node served.</summary>
    ClockJump,
}

/// <param name="Pool">The pool concerned (image, profile), or empty.</param>
/// <param name="Reason">What was seen and what was done, in words.</param>
/// <param name="Duration">How long it lasted, where that is known.</param>
public sealed record Incident(IncidentKind Kind, DateTimeOffset At, string Pool, string Reason, TimeSpan Duration)
{
    /// <summary>Somebody has to look at it now.</summary>
    public bool IsCritical { get; init; }
}

/// <summary>The last <see cref="Capacity"/> incidents and how many there were of each kind. Thread-safe; cold.</summary>
public sealed class IncidentLog(TimeProvider time)
{
    public const int Capacity = 256;

    private readonly Lock _gate = new();
    private readonly Queue<Incident> _last = new();
    private readonly long[] _counts = new long[Enum.GetValues<IncidentKind>().Length];

    /// <summary>Told of each, on the thread that tells it; must not block or throw.</summary>
    public Action<Incident>? OnAdded { get; set; }

    public long CountOf(IncidentKind kind) => Volatile.Read(ref _counts[(int)kind]);

    public void Add(IncidentKind kind, string pool, string reason, TimeSpan duration = default, bool critical = false)
    {
        var incident = new Incident(kind, time.GetUtcNow(), pool, reason, duration) { IsCritical = critical };
        lock (_gate)
        {
            _counts[(int)kind]++;
            if (_last.Count == Capacity)
            {
                _last.Dequeue();
            }

            _last.Enqueue(incident);
        }

        OnAdded?.Invoke(incident);
    }

    /// <summary>The last ones, the newest first.</summary>
    public IReadOnlyList<Incident> Last(int limit)
    {
        lock (_gate)
        {
            return [.. _last.Reverse().Take(limit)];
        }
    }
}
