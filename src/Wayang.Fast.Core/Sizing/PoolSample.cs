using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Sizing;

/// <summary>What a pool of workers did since it was looked at last, and how it stands.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PoolSample
{
    /// <summary>Since the last look. Over zero.</summary>
    public double Seconds { get; init; }

    /// <summary>Calls that came.</summary>
    public long Arrivals { get; init; }

    /// <summary>Calls that ended.</summary>
    public long Ended { get; init; }

    /// <summary>Time in service of those that ended, added up.</summary>
    public double EndedSeconds { get; init; }

    /// <summary>Time that calls spent in service in between, added up over all that were in it: 2 for two calls during one second.</summary>
    public double BusySeconds { get; init; }

    /// <summary>A call found all workers busy. Not one that waited for the first: that tells nothing of how many are needed.</summary>
    public bool Waited { get; init; }

    /// <summary>Calls that wait now.</summary>
    public int Waiting { get; init; }

    /// <summary>Workers that are there; those that take no more calls do not count.</summary>
    public int Workers { get; init; }

    public int Starting { get; init; }

    /// <summary>Workers that had a call at some time since the last look. The one that was busy last is taken first, so these are about
    /// as many as were busy at once.</summary>
    public int Used { get; init; }

    /// <summary>From asking for a worker to its first call, as measured; 0: none has come yet.</summary>
    public double StartSeconds { get; init; }

    /// <summary>The host or the node is short of memory.</summary>
    public bool Pressed { get; init; }

    /// <summary>Seconds since 1970: where in its hour this look falls.</summary>
    public long UnixSeconds { get; init; }
}

/// <summary>What holds for a pool, whatever its load.</summary>
/// <param name="Most">Workers at most.</param>
/// <param name="Spares">Idle workers that a pool in use keeps ready.</param>
/// <param name="Concurrency">Calls that one worker takes at once.</param>
/// <param name="Processors">Of the node: more workers than that come from calls that wait, not from caution.</param>
/// <param name="HoldSeconds">So long the load must have been lower before workers leave.</param>
/// <param name="WarmUp">Workers may be started for calls that are expected.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PoolBounds(int Most, int Spares, int Concurrency, int Processors, double HoldSeconds, bool WarmUp);

/// <summary>What is to be done with a pool.</summary>
/// <param name="Wanted">Workers that it should have.</param>
/// <param name="Start">So many more are to be started.</param>
/// <param name="Ahead">Of these, for calls that are expected and not there.</param>
/// <param name="Leave">So many may leave now, if they have been idle for <paramref name="IdleSeconds"/>.</param>
/// <param name="IdleSeconds">How long a worker that leaves has been idle at least.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PoolPlan(int Wanted, int Start, int Ahead, int Leave, double IdleSeconds);
