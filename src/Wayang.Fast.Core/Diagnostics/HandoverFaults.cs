namespace Wayang.Fast.Core.Diagnostics;

/// <summary>The steps of a hand-over at which tests stop a node, kill it, or cut it off.</summary>
public enum HandoverPoint : byte
{
    /// <summary>At home: the host would take the call, which still runs.</summary>
    HomeOffered = 0,

    /// <summary>The call stands in its file at home.</summary>
    HomeWritten,

    /// <summary>A piece of the file was sent.</summary>
    HomeSending,

    /// <summary>The host has all of the file; the call is still home's.</summary>
    HomePrepared,

    /// <summary>The fence stands, and the host knows nothing of it.</summary>
    HomeFenced,

    /// <summary>The host was told to go on.</summary>
    HomeCommitted,

    /// <summary>The host said that the call goes on.</summary>
    HomeAway,

    /// <summary>The host said that the call has ended; nobody here was told.</summary>
    HomeEnded,

    /// <summary>The call was called back, and stands in a file at the host.</summary>
    HomeRecalled,

    /// <summary>That file is here, and not yet the task's.</summary>
    HomeFetched,

    /// <summary>At the host: it said that it would take the call.</summary>
    HostOffered,

    /// <summary>It has a part of the file.</summary>
    HostReceiving,

    /// <summary>It has all of it.</summary>
    HostPrepared,

    /// <summary>It was told to go on, and has not begun to.</summary>
    HostAdopting,

    /// <summary>The call goes on there, and its home does not know it.</summary>
    HostBegun,

    /// <summary>The call has ended there, and its home does not know it.</summary>
    HostEnded,

    /// <summary>The call was written down there for its home.</summary>
    HostRecalled,
}

/// <summary>
/// Tells who injects faults that a hand-over came to a step. It exists only where the program's own configuration switches faults on (tests do); elsewhere <see cref="Reach"/> is nothing.
/// </summary>
public static class HandoverFaults
{
    private static readonly bool s_enabled = AppContext.TryGetSwitch("Wayang.Fast.FaultPoints", out var on) && on;

    public static bool AreEnabled => s_enabled;

    /// <summary>Called at each step, which goes on when this returns. Set once, before the first.</summary>
    public static Action<HandoverPoint>? Halt { get; set; }

    public static void Reach(HandoverPoint point)
    {
        if (s_enabled)
        {
            Halt?.Invoke(point);
        }
    }
}
