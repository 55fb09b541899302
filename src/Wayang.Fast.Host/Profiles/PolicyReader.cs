using System.Globalization;

namespace Wayang.Fast.Host.Profiles;

/// <summary>
/// Reads a policy's directory to explain it. The spawner reads it for itself and is the judge of what is valid: what is strange here
/// is left out.
/// </summary>
internal static class PolicyReader
{
    private const string Suffix = ".profile";
    private const int MaxFileBytes = 128 << 10;

    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be read by this user.</exception>
    public static PolicyView Read(string directory)
    {
        var profiles = new SortedDictionary<string, PolicyProfile>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(directory, "*" + Suffix).Where(static f => new FileInfo(f).Length <= MaxFileBytes))
        {
            var name = Path.GetFileNameWithoutExtension(file);
            profiles[name] = ReadProfile(directory, name, File.ReadLines(file));
        }

        var conf = Path.Combine(directory, "policy.conf");
        var allowsHost = File.Exists(conf) && File.ReadLines(conf).Any(static l => Words(l) is ["host_network", "1"]);
        return new PolicyView(directory, allowsHost, profiles);
    }

    /// <summary>A number with an optional K, M or G, as the policy writes it; -1 when it is none.</summary>
    public static long Size(string text)
    {
        var shift = text.Length == 0 ? 0 : text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= long.MaxValue >> shift
            ? number << shift
            : -1;
    }

    private static PolicyProfile ReadProfile(string directory, string name, IEnumerable<string> lines)
    {
        var profile = new PolicyProfile(name);
        var paths = new List<PolicyPath>();
        var destinations = new List<string>();
        foreach (var line in lines)
        {
            if (Words(line) is not [var key, var value, ..] || key.StartsWith('#'))
            {
                continue;
            }

            switch (key)
            {
                case "path" or "path?":
                    paths.Add(new PolicyPath(value, key.EndsWith('?')));
                    break;
                case "destination":
                    destinations.Add(value);
                    break;
                default:
                    profile = With(profile, directory, key, value);
                    break;
            }
        }

        return profile with { Paths = paths, Destinations = destinations };
    }

    private static PolicyProfile With(PolicyProfile profile, string directory, string key, string value) => key switch
    {
        "files" => profile with { HasFiles = value == "1" },
        "root" => profile with { Root = value },
        "network" => profile with { Network = value },
        "memory" => profile with { Memory = Size(value) },
        "tmpfs" => profile with { Tmpfs = Size(value) },
        "file_size" => profile with { FileSize = Size(value) },
        "pids" => profile with { Pids = (int)Size(value) },
        "open_files" => profile with { OpenFiles = (int)Size(value) },
        "syscalls" => profile with { Calls = SyscallSet.Read(directory, value) },
        _ => profile,
    };

    private static string[] Words(string line) => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
