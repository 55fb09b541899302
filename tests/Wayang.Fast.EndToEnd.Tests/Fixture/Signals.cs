using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

internal static class Signals
{
    public static void Kill(int pid) => Send("KILL", pid);

    public static void Terminate(int pid) => Send("TERM", pid);

    /// <summary>For processes of which some may just have ended by themselves.</summary>
    public static void KillIfThere(params IEnumerable<int> pids)
    {
        var numbers = string.Join(' ', pids.Select(static p => p.ToString(CultureInfo.InvariantCulture)));
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", $"kill -KILL {numbers} 2>/dev/null || :" },
        })!;
        shell.WaitForExit();
    }

    /// <summary>One call for all: nobody in between can start the dead ones again.</summary>
    public static void Send(string signal, params IEnumerable<int> pids)
    {
        var numbers = string.Join(' ', pids.Select(static p => p.ToString(CultureInfo.InvariantCulture)));
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh") { ArgumentList = { "-c", $"kill -{signal} {numbers}" } })!;
        shell.WaitForExit();
        Assert.Equal(0, shell.ExitCode);
    }
}
