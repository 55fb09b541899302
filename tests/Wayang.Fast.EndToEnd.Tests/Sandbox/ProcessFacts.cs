using System.Globalization;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>What the kernel tells from outside about a process that lives.</summary>
internal sealed record ProcessFacts(IReadOnlyDictionary<string, string> Status, IReadOnlyDictionary<string, string> Namespaces, IReadOnlyDictionary<int, string> Descriptors)
{
    public static ProcessFacts Read(int pid)
    {
        var root = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
        var status = ParseStatus(File.ReadAllText($"{root}/status"));
        var namespaces = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in Names)
        {
            namespaces[name] = new FileInfo($"{root}/ns/{name}").LinkTarget ?? string.Empty;
        }

        var descriptors = new Dictionary<int, string>();
        foreach (var entry in Directory.EnumerateFileSystemEntries($"{root}/fd"))
        {
            descriptors[int.Parse(Path.GetFileName(entry), CultureInfo.InvariantCulture)] = new FileInfo(entry).LinkTarget ?? string.Empty;
        }

        return new ProcessFacts(status, namespaces, descriptors);
    }

    public static IReadOnlyList<string> Names { get; } = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"];

    public static Dictionary<string, string> ParseStatus(string text) => text.Split('\n')
        .Select(static l => l.Split(':', 2)).Where(static p => p.Length == 2)
        .ToDictionary(static p => p[0], static p => p[1].Trim().Replace('\t', ' '), StringComparer.Ordinal);
}
