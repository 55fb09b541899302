using System.Globalization;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Soak;

/// <summary>What the runtime holds at a moment.</summary>
/// <param name="Seconds">Since the start.</param>
/// <param name="ResidentMiB">Of the daemon.</param>
/// <param name="GarbageMiB">Of it: garbage that is let stand up to a bound while the load does not rest (CollectionPacer).</param>
/// <param name="Descriptors">Of the daemon.</param>
/// <param name="Threads">Of the daemon.</param>
/// <param name="Processes">All.</param>
/// <param name="Groups">Control groups.</param>
internal sealed record Holdings(double Seconds, double ResidentMiB, double GarbageMiB, int Descriptors, int Threads, int Processes, int Groups);

/// <summary>Watches that what the runtime holds stays flat.</summary>
internal sealed class SoakSampler(SoakDaemon daemon)
{
    // Growth from the third quarter of the run to its last one. The first half warms up: each of the 100,000 remembered records keeps the
    // stream buffers that one of its tasks needed once, so memory levels off only after some two million tasks.
    private const double MostMiB = 24;
    private const int MostDescriptors = 16;
    private const int MostThreads = 8;
    private const int MostProcesses = 8;

    // The spawner keeps groups for the next workers: as many as there were at once, in up to four hierarchies, until it is killed. So their number goes up and down with the
    // kills, and only what is above all that there was before is growth.
    private const int MostGroups = 24;

    private readonly List<Holdings> _samples = [];

    public void Take(double seconds, double garbageMiB)
    {
        var below = ProcessTree.Below(daemon.Keeper);
        if (below.Find(static p => p.Role == Role.Daemon) is not { } node)
        {
            return;
        }

        try
        {
            var resident = File.ReadLines($"/proc/{node.Pid}/status").First(static l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
            _samples.Add(new Holdings(
                seconds, double.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024, garbageMiB,
                Count($"/proc/{node.Pid}/fd"), Count($"/proc/{node.Pid}/task"), below.Count, Groups()));
        }
        catch (Exception gone) when (gone is IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            // A daemon that ended is told by others.
        }
    }

    /// <summary>The table over time, some 12 lines of it, and what grew over its bound; null when all is flat.</summary>
    public string? Judge(TextWriter to, out double growthMiB)
    {
        to.WriteLine("     time    RSS MiB   garbage MiB   descriptors   threads   processes   groups");
        var step = Math.Max(1, _samples.Count / 12);
        for (var i = 0; i < _samples.Count; i += step)
        {
            var s = _samples[i];
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{s.Seconds,7:F0} s {s.ResidentMiB,10:F1} {s.GarbageMiB,13:F1} {s.Descriptors,13} {s.Threads,9} {s.Processes,11} {s.Groups,8}"));
        }

        growthMiB = 0;
        if (_samples.Count < 8)
        {
            return "too short to judge: fewer than 8 samples";
        }

        var quarter = _samples.Count / 4;
        var early = _samples[(2 * quarter)..(3 * quarter)];
        var late = _samples[^quarter..];
        growthMiB = Growth(static s => s.ResidentMiB - s.GarbageMiB);
        var faults = new List<string>();
        Check("RSS without garbage (MiB)", growthMiB, MostMiB);
        Check("descriptors", Growth(static s => s.Descriptors), MostDescriptors);
        Check("threads", Growth(static s => s.Threads), MostThreads);
        Check("processes", Growth(static s => s.Processes), MostProcesses);
        Check("groups", Rounds.Median(late.Select(static s => (double)s.Groups)) - _samples[..^quarter].Max(static s => s.Groups), MostGroups);
        return faults.Count == 0 ? null : string.Join("; ", faults);

        double Growth(Func<Holdings, double> of) => Rounds.Median(late.Select(of)) - Rounds.Median(early.Select(of));

        void Check(string what, double growth, double most)
        {
            if (growth > most)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"{what} grew by {growth:F1}, at most {most} is flat"));
            }
        }
    }

    private static int Count(string folder) => Directory.EnumerateFileSystemEntries(folder).Count();

    /// <summary>Control groups whose path names the instance.</summary>
    private int Groups()
    {
        const string root = "/sys/fs/cgroup";
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, MaxRecursionDepth = 8 };
        return Directory.Exists(root) ? Directory.EnumerateDirectories(root, "*", options).Count(p => p.Contains(daemon.Instance, StringComparison.Ordinal)) : 0;
    }
}
