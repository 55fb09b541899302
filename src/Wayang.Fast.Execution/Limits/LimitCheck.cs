using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Limits;

/// <summary>Judges at admission what a task asks for: against its profile, and against what this host can enforce.</summary>
internal static class LimitCheck
{
    /// <param name="limits">What the task asks for.</param>
    /// <param name="options">Say what becomes of a limit that the host cannot enforce.</param>
    /// <param name="profile">The profile's name.</param>
    /// <param name="welcome">Null: no spawner has answered yet.</param>
    /// <returns>Null: it can be had.</returns>
    public static OperationError? Refuse(TaskLimits limits, RuntimeOptions options, string profile, Welcome? welcome)
    {
        if (welcome is null || StartLimits.Find(welcome, profile)?.Most is not { } most)
        {
            return new OperationError(ErrorCode.Unavailable, "no spawner has told yet what its profiles allow", "limits", 50);
        }

        return Above(limits, most, options, profile, welcome)
            ?? (options.UnenforcedLimits == UnenforcedLimits.Refuse && Unenforced(limits, welcome.Features).FirstOrDefault() is { Name: { } name } missing
                ? new OperationError(
                    ErrorCode.InvalidArgument,
                    $"limits.{name} cannot be enforced on this host: {missing.Why}. Leave it out, or let the node accept it and tell so: limits.unenforced: tell",
                    $"limits.{name}")
                : null);
    }

    /// <summary>Which of the limits nothing on this host holds a task to, and why.</summary>
    public static IEnumerable<(string Name, string Why)> Unenforced(TaskLimits limits, SpawnerFeatures features)
    {
        const string noMemory = "it gives the runtime no memory group (see: wayang doctor)";
        foreach (var (name, _) in limits.Asked())
        {
            var why = name switch
            {
                "memory_bytes" or "reserved_bytes" when !features.HasFlag(SpawnerFeatures.MemoryGroup) => noMemory,
                "pids" when !features.HasFlag(SpawnerFeatures.PidsGroup) => "it gives the runtime no pids group (see: wayang doctor)",
                "cpu_weight" when !features.HasFlag(SpawnerFeatures.CpuGroup) => "it gives the runtime no cpu group (see: wayang doctor)",
                "cpu_milli" when !features.HasFlag(SpawnerFeatures.CpuCap) => "it gives the runtime no cpu group with quotas (see: wayang doctor)",
                _ when name.StartsWith("io_", StringComparison.Ordinal) && !features.HasFlag(SpawnerFeatures.IoRates) => "it gives the runtime no io (version 1: blkio) group, or has no disk (see: wayang doctor)",
                _ => null,
            };
            if (why is not null)
            {
                yield return (name, why);
            }
        }
    }

    private static OperationError? Above(TaskLimits limits, ProfileLimits most, RuntimeOptions options, string profile, Welcome welcome)
    {
        var memory = limits.MemoryBytes > 0 ? limits.MemoryBytes : Lower(options.WorkerMemoryBytes, most.MemoryBytes);
        return Over("memory_bytes", limits.MemoryBytes, most.MemoryBytes, profile)
            ?? OverConfigured("memory_bytes", limits.MemoryBytes, options.WorkerMemoryBytes)
            ?? Over("pids", limits.Pids, most.Pids, profile)
            ?? (most.CpuMilli > 0 ? Over("cpu_milli", limits.CpuMilli, most.CpuMilli, profile) : null)
            ?? Over("cpu_weight", limits.CpuWeight, most.CpuWeight, profile)
            ?? (limits.DiskBytes > 0 && most.DiskBytes == 0 ? Wrong("disk_bytes", $"has no meaning under profile {profile}: its tasks have no files") : null)
            ?? Over("disk_bytes", limits.DiskBytes, most.DiskBytes, profile)
            ?? OverConfigured("disk_bytes", limits.DiskBytes, options.WorkerDiskBytes)
            ?? (limits.DiskBytes > memory && !StartLimits.IsOnDisk(limits.DiskBytes, welcome.Features) ? Wrong(
                "disk_bytes", $"is {limits.DiskBytes}: what a task writes lies in its memory here, of which it has {memory}; ask for more with limits.memory_bytes, or let the node make room on its disk (limits.disk_directory, as root)") : null)
            ?? (limits.ReservedBytes > memory ? Wrong("reserved_bytes", $"is {limits.ReservedBytes}, more than its memory of {memory}") : null)
            ?? RatesAbove(limits.Io, most.Io, options.WorkerIo, profile);
    }

    private static OperationError? RatesAbove(IoRates asked, IoRates most, IoRates configured, string profile)
    {
        // No generic iterator: the framework's over such pairs are compiled at their first use, on the thread that reads everybody's requests.
        var (rates, allowed, node) = (asked.Named(), most.Named(), configured.Named());
        for (var i = 0; i < rates.Length; i++)
        {
            var (name, rate) = rates[i];
            var overProfile = allowed[i].Value > 0 ? Over(name, rate, allowed[i].Value, profile) : null;
            if ((overProfile ?? OverConfigured(name, rate, node[i].Value)) is { } refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    private static long Lower(long configured, long most) => configured > 0 ? Math.Min(configured, most) : most;

    private static OperationError? Over(string name, long asked, long most, string profile) =>
        asked > most ? Wrong(name, $"is {asked}; profile {profile} of this node's policy allows {most}") : null;

    private static OperationError? OverConfigured(string name, long asked, long most) =>
        most > 0 && asked > most ? Wrong(name, $"is {asked}; this node's configuration (limits.worker_{name}) allows {most}") : null;

    private static OperationError Wrong(string name, string why) => new(ErrorCode.InvalidArgument, $"limits.{name} {why}", $"limits.{name}");
}
