namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>What a runtime that has ended left behind.</summary>
internal static class Leftovers
{
    /// <summary>
    /// Processes (zombies too) with the memory files they hold, mounts, groups, the socket. The directory with its free lock file
    /// stays after a kill of the keeper alone: nobody who is left may remove it, and the next start takes it over.
    /// </summary>
    public static List<string> Of(RuntimeUnderTest runtime) =>
    [
        .. runtime.Processes.Processes().SelectMany(static p => ProcessTable.MemoryFiles(p.Pid).Prepend(p.ToString())),
        .. Mounts(runtime.RuntimeDirectory),
        .. runtime.Groups.Inner().Select(static g => "group " + g),
        .. File.Exists(runtime.SocketPath) ? (string[])["socket " + runtime.SocketPath] : [],
    ];

    /// <summary>After an ordered end nothing at all is left, not even the directory.</summary>
    public static List<string> OfOrderedEnd(RuntimeUnderTest runtime) =>
    [
        .. Of(runtime),
        .. Directory.Exists(runtime.RuntimeDirectory)
            ? Directory.EnumerateFileSystemEntries(runtime.RuntimeDirectory).Prepend(runtime.RuntimeDirectory).Select(static f => "file " + f)
            : [],
    ];

    /// <summary>Mounts in our namespace at or below a directory.</summary>
    private static IEnumerable<string> Mounts(string directory) =>
        File.ReadLines("/proc/self/mounts").Where(l => l.Split(' ')[1].StartsWith(directory, StringComparison.Ordinal)).Select(static l => "mount " + l);
}
