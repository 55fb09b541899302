namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>
/// A resource group of the test's own in each hierarchy that the runtime uses: everything that the runtime makes lies below,
/// and what it leaves is told from other runtimes'. In each, or runtimes of one instance name would sweep each other's. Empty where the host offers none or we may not make any.
/// </summary>
internal sealed class ResourceGroups : IDisposable
{
    private readonly List<string> _paths = [];

    public ResourceGroups(string name)
    {
        foreach (var own in OwnGroups())
        {
            var path = Path.Combine(own, name);
            try
            {
                Directory.CreateDirectory(path);
                _paths.Add(path);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                // Not ours to make: the runtime will not have any either.
            }
        }
    }

    public IReadOnlyList<string> Paths => _paths;

    /// <summary>All groups below ours.</summary>
    public List<string> Inner() =>
        [.. _paths.Where(Directory.Exists).SelectMany(static p => Directory.EnumerateDirectories(p, "*", SearchOption.AllDirectories))];

    /// <summary>A new group of the first version has no time for threads of real time where the kernel counts that by group: it gets some. False: there is none to be had.</summary>
    public bool TryGiveRealTime()
    {
        try
        {
            foreach (var bound in _paths.Select(static p => Path.Combine(p, "cpu.rt_runtime_us")).Where(File.Exists))
            {
                File.WriteAllText(bound, "400000"); // of a second
            }

            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        foreach (var path in _paths)
        {
            foreach (var inner in Directory.EnumerateDirectories(path, "*", SearchOption.AllDirectories).OrderByDescending(static p => p.Length))
            {
                Remove(inner);
            }

            Remove(path);
        }
    }

    // Directory.Delete lists first, and a group's files cannot be deleted: an empty list is what it needs to see.
    private static void Remove(string path)
    {
        using var rmdir = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/rmdir") { ArgumentList = { path }, RedirectStandardError = true, UseShellExecute = false });
        rmdir?.WaitForExit();
    }

    private static IEnumerable<string> OwnGroups()
    {
        var lines = File.ReadAllLines("/proc/self/cgroup");
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var controller in (string[])["memory", "pids", "cpu", "cpuacct", "freezer", "blkio"])
        {
            var line = lines.FirstOrDefault(l => l.Split(':')[1].Split(',').Contains(controller, StringComparer.Ordinal));
            if (line is not null && Mount("cgroup", controller) is { } mount)
            {
                found.Add(mount + line.Split(':', 3)[2].TrimEnd('/'));
            }
        }

        if (found.Count == 0 && lines.FirstOrDefault(static l => l.StartsWith("0::", StringComparison.Ordinal)) is { } unified && Mount("cgroup2", null) is { } root)
        {
            found.Add(root + unified[3..].TrimEnd('/'));
        }

        return found.Where(Directory.Exists);
    }

    private static string? Mount(string type, string? controller) =>
        (from line in File.ReadLines("/proc/self/mounts")
         let fields = line.Split(' ')
         where fields[2] == type && (controller is null || fields[3].Split(',').Contains(controller, StringComparer.Ordinal))
         select fields[1]).FirstOrDefault();
}
