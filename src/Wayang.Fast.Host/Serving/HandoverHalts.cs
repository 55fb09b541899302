using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Host.Serving;

/// <summary>
/// Lets a test halt this node's hand-overs at a named step, where faults are switched on. WAYANG_HALT_AT names a directory: who reaches a step for which there is a file STEP.arm renames that to STEP.halt, and waits
/// until it is gone.
/// </summary>
internal static class HandoverHalts
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(2);

    public static void Install()
    {
        if (HandoverFaults.AreEnabled && Environment.GetEnvironmentVariable("WAYANG_HALT_AT") is { Length: > 0 } directory)
        {
            HandoverFaults.Halt = point => Stand(directory, point);
        }
    }

    private static void Stand(string directory, HandoverPoint point)
    {
        var halt = Path.Combine(directory, $"{point}.halt");
        try
        {
            File.Move(Path.Combine(directory, $"{point}.arm"), halt);
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
