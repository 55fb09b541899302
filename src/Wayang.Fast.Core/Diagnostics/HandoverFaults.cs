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
/// Stops a node's hand-overs at a named step. It exists only where the program's own configuration switches faults on (tests do); elsewhere <see cref="Reach"/> is nothing. WAYANG_HALT_AT names a directory:
/// who reaches a step for which there is a file STEP.arm renames it to STEP.halt, and waits until that is gone.
/// </summary>
public static class HandoverFaults
{
    private static readonly string? s_directory =
        AppContext.TryGetSwitch("Wayang.Fast.FaultPoints", out var on) && on ? Environment.GetEnvironmentVariable("WAYANG_HALT_AT") : null;

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(2);

    public static void Reach(HandoverPoint point)
    {
        if (s_directory is null)
        {
            return;
        }

        var halt = Path.Combine(s_directory, $"{point}.halt");
        try
        {
            File.Move(Path.Combine(s_directory, $"{point}.arm"), halt);
        }
        catch (IOException)
        {
            return; // not armed
        }

        while (File.Exists(halt))
        {
            Thread.Sleep(s_look); // a test's halt: nothing of the node waits for it but this step
        }
    }
}
