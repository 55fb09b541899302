using System.Globalization;

namespace Wayang.Fast.Host.Demo;

/// <summary>What the kernel says of a live worker.</summary>
/// <param name="Values">Fields of /proc/PID/status by name.</param>
/// <param name="OwnNamespaces">Namespaces that differ from ours; empty when we may not look.</param>
/// <param name="Descriptors">What its descriptors are; empty when we may not look.</param>
internal sealed record SandboxFacts(
    int ProcessId,
    string Name,
    IReadOnlyDictionary<string, string> Values,
    IReadOnlyList<string> OwnNamespaces,
    IReadOnlyList<string> Descriptors)
{
    private static readonly string[] Fields = ["Uid", "Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NSpid", "Threads"];

    private static readonly string[] Namespaces = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

    /// <summary>Filtered, without privileges and unable to gain any, not root on the host, not alone in our pid namespace.</summary>
    public bool Holds =>
        IsValue("Seccomp", "2") && IsValue("NoNewPrivs", "1") && IsZero("CapEff") && IsZero("CapPrm") && IsZero("CapInh") && IsZero("CapAmb")
        && !IsValue("Uid", "0") && Values.GetValueOrDefault("NSpid", "").Contains(' ', StringComparison.Ordinal);

    /// <summary>Reads one process; null when it is gone.</summary>
    public static SandboxFacts? Read(int pid) => ReadStatus(pid) is { } status ? Describe(pid, status) : null;

    /// <summary>
    /// The sandboxed processes below <paramref name="ancestor"/> (or of the whole machine), by pid: those
    /// with a pid of their own inside another namespace and a system call filter.
    /// </summary>
    public static IReadOnlyList<SandboxFacts> FindBelow(int? ancestor)
    {
        var parents = new Dictionary<int, int>();
        var found = new List<(int Pid, Dictionary<string, string> Status)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && ReadStatus(pid) is { } status)
            {
                parents[pid] = int.Parse(status.GetValueOrDefault("PPid", "0"), CultureInfo.InvariantCulture);
                if (string.Equals(status.GetValueOrDefault("Seccomp"), "2", StringComparison.Ordinal)
                    && status.GetValueOrDefault("NSpid", "").Contains(' ', StringComparison.Ordinal))
                {
                    found.Add((pid, status));
                }
            }
        }

        return [.. found.Where(f => ancestor is null || IsBelow(f.Pid, ancestor.Value, parents)).OrderBy(static f => f.Pid).Select(static f => Describe(f.Pid, f.Status))];
    }

    private static bool IsBelow(int pid, int ancestor, Dictionary<int, int> parents)
    {
        // Bounded: a table read while processes come and go may hold a circle.
        for (var steps = 0; steps < parents.Count && parents.TryGetValue(pid, out var parent); steps++)
        {
            if (parent == ancestor)
            {
                return true;
            }

            pid = parent;
        }

        return false;
    }

    private static SandboxFacts Describe(int pid, Dictionary<string, string> status)
    {
        var values = Fields.Where(status.ContainsKey).ToDictionary(static f => f, f => status[f], StringComparer.Ordinal);
        values["Uid"] = values.GetValueOrDefault("Uid", "").Split(' ')[0];
        return new SandboxFacts(pid, status.GetValueOrDefault("Name", "?"), values, [.. Namespaces.Where(n => Differs(pid, n))], ReadDescriptors(pid));
    }

    private static Dictionary<string, string>? ReadStatus(int pid)
    {
        try
        {
            var lines = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status"));
            return lines.Select(static l => l.Split(':', 2)).Where(static p => p.Length == 2)
                .ToDictionary(static p => p[0], static p => p[1].Trim().Replace('\t', ' '), StringComparer.Ordinal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // it ended meanwhile
        }
    }

    private static bool Differs(int pid, string name)
    {
        var theirs = Target(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/{name}"));
        return theirs is not null && !string.Equals(theirs, Target($"/proc/self/ns/{name}"), StringComparison.Ordinal);
    }

    private static List<string> ReadDescriptors(int pid)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd"))
                .Order(StringComparer.Ordinal).Select(static f => $"{Path.GetFileName(f)} {Target(f)}")];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? Target(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private bool IsValue(string field, string value) => string.Equals(Values.GetValueOrDefault(field), value, StringComparison.Ordinal);

    private bool IsZero(string field) => Values.GetValueOrDefault(field, "?").All(static c => c == '0');
}
