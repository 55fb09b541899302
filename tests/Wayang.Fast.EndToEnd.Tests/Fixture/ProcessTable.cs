using System.Globalization;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>A process as /proc shows it.</summary>
/// <param name="Started">Ticks since boot: with the pid, it names a process for ever.</param>
/// <param name="State">One letter; Z is a zombie.</param>
/// <param name="NamespaceDepth">Pid namespaces that it is in, seen from here: 1 in ours, 2 a holder or zygote, 3 a worker.</param>
internal sealed record ProcessEntry(int Pid, int ParentPid, long Started, char State, string Name, string CommandLine, int NamespaceDepth)
{
    public bool IsZombie => State is 'Z' or 'X';

    public override string ToString() => $"process {Pid} ({Name}) of {ParentPid}, state {State}: {CommandLine}";
}

internal static class ProcessTable
{
    /// <summary>All below <paramref name="root"/>, in no order; zombies too.</summary>
    public static List<ProcessEntry> Below(int root)
    {
        var children = ReadAll().ToLookup(static p => p.ParentPid);
        var found = new List<ProcessEntry>();
        var open = new Stack<int>([root]);
        while (open.TryPop(out var parent))
        {
            foreach (var child in children[parent])
            {
                found.Add(child);
                open.Push(child.Pid);
            }
        }

        return found;
    }

    /// <summary>Those of <paramref name="earlier"/> that still exist.</summary>
    public static List<ProcessEntry> StillThere(IEnumerable<ProcessEntry> earlier) =>
        [.. earlier.Select(static old => Read(old.Pid) is { } now && now.Started == old.Started ? now : null).OfType<ProcessEntry>()];

    /// <summary>Memory files that a process holds open, by name.</summary>
    public static List<string> MemoryFiles(int pid)
    {
        var found = new List<string>();
        try
        {
            foreach (var link in Directory.EnumerateFiles($"/proc/{pid}/fd"))
            {
                if (new FileInfo(link).LinkTarget is { } target && target.StartsWith("/memfd:", StringComparison.Ordinal))
                {
                    found.Add($"{link} -> {target}");
                }
            }
        }
        catch (IOException)
        {
            // It ended meanwhile, and its descriptors with it.
        }

        return found;
    }

    private static IEnumerable<ProcessEntry> ReadAll() =>
        Directory.EnumerateDirectories("/proc")
            .Select(static path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? Read(pid) : null)
            .OfType<ProcessEntry>();

    private static ProcessEntry? Read(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var open = stat.IndexOf('(', StringComparison.Ordinal);
            var close = stat.LastIndexOf(')');
            var fields = stat[(close + 2)..].Split(' ');
            var depth = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(static l => l.StartsWith("NSpid:", StringComparison.Ordinal));
            return new ProcessEntry(
                pid,
                int.Parse(fields[1], CultureInfo.InvariantCulture),
                long.Parse(fields[19], CultureInfo.InvariantCulture),
                fields[0][0],
                stat[(open + 1)..close],
                File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ').TrimEnd(),
                depth?.Split('\t', StringSplitOptions.RemoveEmptyEntries).Length - 1 ?? 0);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
