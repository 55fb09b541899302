using System.Globalization;
using Wayang.Fast.Client;

namespace Wayang.Fast.Host.Doctor;

/// <summary>What /proc and /sys tell: limits, memory, processors.</summary>
internal static class HostFacts
{
    // Three descriptors for each worker and five for each group, at the policy's most of both; see the spawner.
    private const long WantedDescriptors = 64 + ((4096 + 256) * 12);
    private const long LeastDescriptors = 256;
    private const long LeastMaps = 65530;
    private const long LeastPids = 4096;
    private const int ErrorLevel = 3;

    private static readonly string[] ShownFeatures = ["avx2", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve"];

    public static IEnumerable<Finding> All() => [.. Limits(), .. Memory(), .. Processors(), KernelConsole(ReadLines("/proc/consoles"), Line("/proc/sys/kernel/printk"))];

    public static IEnumerable<Finding> Limits()
    {
        yield return OpenFiles(HardLimit("Max open files"), SocketPaths.EffectiveUser() == 0);
        yield return Told("limits", "processes", HardLimit("Max processes") is { } processes ? Text(processes) : "unknown");
        yield return Told("limits", "locked_memory", HardLimit("Max locked memory") is { } locked ? Text(locked) : "unknown");
        yield return AtLeast("pid_max", "/proc/sys/kernel/pid_max", LeastPids, "few tasks at a time, and pids come back soon", "sysctl -w kernel.pid_max=4194304");
        yield return AtLeast("threads_max", "/proc/sys/kernel/threads-max", LeastPids, "few tasks at a time", "sysctl -w kernel.threads-max=65536");
        yield return AtLeast("map_count", "/proc/sys/vm/max_map_count", LeastMaps, "programs with many mappings fail", "sysctl -w vm.max_map_count=262144");
        yield return Told("limits", "inotify_instances", Line("/proc/sys/fs/inotify/max_user_instances") ?? "unknown");
    }

    /// <summary>Started as root, the spawner raises even the hard limit.</summary>
    internal static Finding OpenFiles(long? hard, bool isRoot)
    {
        if (hard is not { } limit)
        {
            return new Finding("limits", "open_files", Level.Unknown, Required: true, "/proc/self/limits cannot be read");
        }

        var value = $"hard limit {Text(limit)}";
        if (limit >= WantedDescriptors || isRoot)
        {
            return new Finding("limits", "open_files", Level.Ok, Required: true, limit >= WantedDescriptors ? value : value + ", which the spawner of root raises");
        }

        return new Finding(
            "limits", "open_files", limit >= LeastDescriptors ? Level.Degraded : Level.Missing, Required: true, value,
            string.Create(CultureInfo.InvariantCulture, $"at most about {Math.Max(0, (limit - 64) / 12)} workers and images at a time"),
            string.Create(CultureInfo.InvariantCulture, $"ulimit -Hn {WantedDescriptors} (as root; or LimitNOFILE={WantedDescriptors} in the unit)"));
    }

    /// <summary>
    /// A message of the kernel goes to its consoles before the processor that tells it does anything else, however urgent: to a serial line that is 3 to 4 ms for 120
    /// characters (measured on a virtual machine), and each task that dies of its memory limit is such a message, an error (3).
    /// </summary>
    /// <param name="consoles">/proc/consoles: name, operations, flags in brackets (E: it is enabled).</param>
    /// <param name="levels">/proc/sys/kernel/printk; the first number is the level that messages must be below to be shown.</param>
    internal static Finding KernelConsole(IReadOnlyList<string> consoles, string? levels)
    {
        var slow = consoles.Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(static words => words.Length > 2 && IsSlow(words[0]) && words[2].Contains('E', StringComparison.Ordinal)).Select(static words => words[0]).ToList();
        if (!int.TryParse(levels?.Split('\t', ' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var shown) || slow.Count == 0 || shown <= ErrorLevel)
        {
            return Told("host", "kernel_console", slow.Count == 0 ? "no serial one" : $"{string.Join(", ", slow)}, errors are not shown there");
        }

        return new Finding(
            "host", "kernel_console", Level.Degraded, Required: false, string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", slow)} shows messages below level {shown}"),
            "each task that dies of its memory limit is a message that holds up a processor for milliseconds", "sysctl -w kernel.printk=3 (they stay in the kernel's log)");

        static bool IsSlow(string console) => console.StartsWith("ttyS", StringComparison.Ordinal) || console.StartsWith("ttyAMA", StringComparison.Ordinal);
    }

    private static IEnumerable<Finding> Memory()
    {
        var facts = ReadPairs("/proc/meminfo");
        yield return Told("memory", "total", Kibibytes(facts, "MemTotal") + ", available " + Kibibytes(facts, "MemAvailable"));
        yield return Told("memory", "swap", facts.GetValueOrDefault("SwapTotal") is null or "0 kB" ? "none" : Kibibytes(facts, "SwapTotal"));
        var huge = Line("/sys/kernel/mm/transparent_hugepage/enabled");
        var never = huge?.Contains("[never]", StringComparison.Ordinal) ?? true;
        yield return new Finding(
            "memory", "huge_pages", never ? Level.Degraded : Level.Ok, Required: false, huge ?? "the kernel has none",
            never ? "forks of images with much memory take longer (1 ms for each 64 MiB), and so does what keeps large logs and outputs" : "",
            never ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled" : "");
        yield return Told("memory", "reserved_huge_pages", facts.GetValueOrDefault("HugePages_Total") is { } pages ? pages : "none");
    }

    private static IEnumerable<Finding> Processors()
    {
        var cpu = ReadPairs("/proc/cpuinfo");
        var flags = (cpu.GetValueOrDefault("flags") ?? cpu.GetValueOrDefault("Features") ?? string.Empty).Split(' ');
        var allowed = ReadPairs("/proc/self/status").GetValueOrDefault("Cpus_allowed_list") ?? "unknown";
        yield return Told("host", "processors", string.Create(
            CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} usable ({allowed}), {cpu.GetValueOrDefault("model name") ?? "model not told"}"));
        yield return Told("host", "cpu_features", string.Join(' ', ShownFeatures.Intersect(flags, StringComparer.Ordinal)) is { Length: > 0 } shown ? shown : "none of note");
    }

    private static Finding AtLeast(string name, string path, long least, string cost, string remedy)
    {
        var text = Line(path);
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return new Finding("limits", name, Level.Unknown, Required: false, $"{path} cannot be read", cost, remedy);
        }

        return value >= least
            ? Told("limits", name, text!)
            : new Finding("limits", name, Level.Degraded, Required: false, string.Create(CultureInfo.InvariantCulture, $"{value}, less than {least}"), cost, remedy);
    }

    private static Finding Told(string group, string name, string value) => new(group, name, Level.Ok, Required: false, value);

    private static string Text(long limit) => limit == long.MaxValue ? "unlimited" : limit.ToString(CultureInfo.InvariantCulture);

    /// <summary>The hard limit of this process, which what it starts inherits; unlimited is the greatest number.</summary>
    private static long? HardLimit(string name)
    {
        // Max open files            1024                 524288               files
        var line = ReadLines("/proc/self/limits").FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        var words = line?[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not { Length: >= 2 })
        {
            return null;
        }

        return words[1] == "unlimited" ? long.MaxValue : long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    private static string Kibibytes(Dictionary<string, string> facts, string key) =>
        facts.GetValueOrDefault(key)?.Split(' ')[0] is { } text && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? string.Create(CultureInfo.InvariantCulture, $"{value / 1024} MiB")
            : "unknown";

    private static Dictionary<string, string> ReadPairs(string path)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in ReadLines(path))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                pairs.TryAdd(line[..colon].TrimEnd(), line[(colon + 1)..].Trim());
            }
        }

        return pairs;
    }

    private static string? Line(string path) => ReadLines(path) is [var first, ..] ? first.Trim() : null;

    internal static IReadOnlyList<string> ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
