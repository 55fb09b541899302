using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Spawn;

/// <summary>A copy of the native programs whose policy uses no control groups: what limits cost is the difference. Removed when disposed.</summary>
internal sealed class BareStage : IDisposable
{
    public BareStage(SuiteContext context)
    {
        Folder = Directory.CreateTempSubdirectory("wayang-perf-").FullName;
        Copy(Path.Combine(context.Root, "out", "native", "release", "stage"), Folder);
        var policy = Path.Combine(Folder, "policy", "policy.conf");
        var lines = File.ReadAllLines(policy);
        File.WriteAllLines(policy, lines.Select(static l => l.StartsWith("cgroup_parent ", StringComparison.Ordinal) ? "cgroup_parent none" : l));
    }

    public string Folder { get; }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var folder in Directory.EnumerateDirectories(from))
        {
            Copy(folder, Directory.CreateDirectory(Path.Combine(to, Path.GetFileName(folder))).FullName);
        }
    }
}
