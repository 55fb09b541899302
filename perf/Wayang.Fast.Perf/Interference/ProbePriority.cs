using System.Diagnostics;

namespace Wayang.Fast.Perf.Interference;

/// <summary>
/// The caller's threads are given real time where the host allows it: they do nothing but send and wait, and what is measured is to be
/// the node, not how the host treats an ordinary program beside it.
/// </summary>
internal static class ProbePriority
{
    /// <summary>By the thread's name: the runtime tells nobody its number.</summary>
    /// <returns>What it runs at now.</returns>
    public static string Raise(string name)
    {
        foreach (var thread in Directory.EnumerateDirectories("/proc/self/task"))
        {
            if (File.ReadAllText(Path.Combine(thread, "comm")).TrimEnd() is var comm && comm == name[..Math.Min(15, name.Length)])
            {
                return Change(Path.GetFileName(thread)) ? "real time" : "as any program";
            }
        }

        return "as any program";
    }

    private static bool Change(string thread)
    {
        try
        {
            using var chrt = Process.Start(new ProcessStartInfo("chrt", ["--fifo", "--pid", "1", thread]) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false });
            chrt?.WaitForExit();
            return chrt?.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // no chrt here
        }
    }
}
