using System.Diagnostics;
using Wayang.Fast.Core.Sizing;

namespace Wayang.Fast.Execution.Workers;

/// <summary>Why a worker that works is replaced.</summary>
internal enum RecycleReason : byte
{
    None = 0,

    /// <summary>It has served as many calls as one worker shall.</summary>
    Calls,

    /// <summary>It is as old as one worker shall be.</summary>
    Age,

    /// <summary>It uses more of its memory than it shall.</summary>
    Memory,
}

/// <summary>
/// What a pool's load was from look to look, and what became of what was planned for it. The dispatch owner's; others read momentary values.
/// The dispatch path only adds to <see cref="SlotTicks"/>: everything else is taken from what it counts anyway.
/// </summary>
internal sealed class PoolLoad(HourRhythm rhythm)
{
    private const double StartWeight = 0.25; // of the last start, in the mean

    private long _lookedAt;
    private long _dispatched;
    private long _slotTicks;
    private long _finished;
    private long _held;
    private int _waiting;

    public PoolSizing Sizing { get; } = new(rhythm);

    /// <summary>Time in service of all calls that gave their slot back.</summary>
    public long SlotTicks { get; private set; }

    /// <summary>Calls that workers had taken which are gone.</summary>
    public long GoneCalls { get; set; }

    /// <summary>A call found all workers busy since the last look.</summary>
    public bool Waited { get; set; }

    /// <summary>From asking for a worker until it is ready; 0: none was so far.</summary>
    public double StartSeconds { get; private set; }

    /// <summary>Workers that it should have, by the last look.</summary>
    public int Wanted { get; set; }

    /// <summary>Of those that are starting: for calls that are expected.</summary>
    public int AheadStarting { get; set; }

    public WarmUps WarmUps { get; } = new();

    public long[] Recycled { get; } = new long[Enum.GetValues<RecycleReason>().Length];

    /// <summary>Workers that leave as soon as another one is ready, the oldest first.</summary>
    public Queue<CallWorker> Outgoing { get; } = new();

    public void CountSlot(long ticks) => SlotTicks += Math.Max(0, ticks);

    public void CountStart(TimeSpan took) =>
        StartSeconds = StartSeconds == 0 ? took.TotalSeconds : StartSeconds + (StartWeight * (took.TotalSeconds - StartSeconds));

    /// <summary>What happened since the last call, and how the pool stands.</summary>
    /// <param name="pool">Whose load this is.</param>
    /// <param name="waiting">Calls that wait.</param>
    /// <param name="pressed">Memory is short.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="unixSeconds">The time of day.</param>
    public PoolSample Take(WorkerPool pool, int waiting, bool pressed, long now, long unixSeconds)
    {
        var dispatched = GoneCalls;
        var held = 0L; // time in service so far of what is in service
        var (serving, used, flying) = (0, 0, 0);
        foreach (var worker in pool.Workers)
        {
            dispatched += worker.NextOrder;
            held += worker.TicksInFlight(now);
            flying += worker.Concurrency - worker.FreeCount;
            used += worker.TakeUse(WarmUps) ? 1 : 0;
            serving += worker.Phase == WorkerPhase.Serving ? 1 : 0;
        }

        var finished = dispatched - flying;
        var seconds = _lookedAt == 0 ? 1 : Stopwatch.GetElapsedTime(_lookedAt, now).TotalSeconds;
        var sample = new PoolSample
        {
            Seconds = Math.Max(seconds, 0.001),
            Arrivals = Math.Max(0, dispatched - _dispatched + waiting - _waiting),
            Ended = Math.Max(0, finished - _finished),
            EndedSeconds = Math.Max(0, SlotTicks - _slotTicks) / (double)Stopwatch.Frequency,
            BusySeconds = Math.Max(0, SlotTicks + held - _slotTicks - _held) / (double)Stopwatch.Frequency,
            Waited = Waited || (waiting > 0 && serving > 0),
            Waiting = waiting,
            Workers = serving,
            Starting = pool.Starting,
            Used = used,
            StartSeconds = StartSeconds,
            Pressed = pressed,
            UnixSeconds = unixSeconds,
        };
        (_lookedAt, _dispatched, _slotTicks, _finished, _held, _waiting, Waited) = (now, dispatched, SlotTicks, finished, held, waiting, false);
        return sample;
    }
}

/// <summary>Workers that were started before their calls came, and what became of them. Written by the dispatch owner.</summary>
internal sealed class WarmUps
{
    public long Started { get; set; }

    /// <summary>Those that then had a call.</summary>
    public long Used { get; set; }

    /// <summary>Those that left without one.</summary>
    public long Unused { get; set; }
}
