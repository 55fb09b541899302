using System.Globalization;

namespace Wayang.Fast.Perf.Soak;

/// <summary>What a process is in the runtime.</summary>
internal enum Role
{
    Other,
    Daemon,
    Spawner,
    Zygote,
    Worker,
}

/// <param name="Depth">Pid namespaces that it is in, seen from here: 2 a zygote, 3 a worker.</param>
internal sealed record ProcessNode(int Pid, int Parent, string Name, string CommandLine, int Depth)
{
    public Role Role => Name == "wayang-spawner" && Depth == 1 ? Role.Spawner
        : CommandLine.Contains("serve --daemon", StringComparison.Ordinal) && Name != "wayang-keeper" ? Role.Daemon
        : CommandLine.StartsWith("wayang-zygote: ", StringComparison.Ordinal) ? (Depth == 2 ? Role.Zygote : Role.Worker)
        : Role.Other;
}

/// <summary>The processes below one, from /proc.</summary>
internal static class ProcessTree
{
    public static List<ProcessNode> Below(int root)
    {
        var children = Directory.EnumerateDirectories("/proc")
            .Select(static path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? Read(pid) : null)
            .OfType<ProcessNode>().ToLookup(static p => p.Parent);
        var found = new List<ProcessNode>();
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

    private static ProcessNode? Read(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var close = stat.LastIndexOf(')');
            var fields = stat[(close + 2)..].Split(' ');
            if (fields[0] is "Z" or "X")
            {
                return null;
            }

            var depth = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(static l => l.StartsWith("NSpid:", StringComparison.Ordinal));
            return new ProcessNode(
                pid, int.Parse(fields[1], CultureInfo.InvariantCulture), stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..close],
                File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ').TrimEnd(),
                (depth?.Split('\t', StringSplitOptions.RemoveEmptyEntries).Length ?? 1) - 1);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
