using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Limits;

/// <summary>What a worker or command is started with, as the message to the spawner says it; 0: what its profile says.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct StartLimits(long MemoryBytes, long DiskBytes, long ReservedBytes, int Pids, int CpuMilli, int CpuWeight)
{
    /// <summary>The least that the spawner makes a file system of; less lies in memory, where it costs next to nothing.</summary>
    public const long LeastOnDisk = 16L << 20;

    /// <summary>Its writable space is a file system on the disk; else it lies in its memory.</summary>
    public bool OnDisk { get; init; }

    /// <summary>Of each disk.</summary>
    public IoRates Io { get; init; }

    /// <summary>
    /// What the task asked for, else what is configured, never above the profile: a configured limit that is too high is lowered,
    /// as it is meant for all profiles. What the host cannot enforce is left out; admission told or refused it.
    /// </summary>
    /// <param name="welcome">Of the spawner that will start it.</param>
    /// <param name="floorBytes">What tasks like it were seen to need at least: a lower limit is raised to it; 0: nothing was seen.</param>
    public static StartLimits Of(TaskLimits? asked, RuntimeOptions options, string profile, Welcome? welcome, long floorBytes = 0)
    {
        var most = Find(welcome, profile)?.Most;
        if (most is null)
        {
            return new StartLimits(options.WorkerMemory(profile), 0, 0, 0, 0, 0); // not told: the spawner judges by itself
        }

        var memory = asked?.MemoryBytes > 0 ? asked.MemoryBytes : Math.Min(options.WorkerMemoryBytes, most.MemoryBytes);
        memory = memory > 0 && memory < floorBytes ? Math.Min(floorBytes, most.MemoryBytes) : memory;
        var room = memory > 0 ? memory : most.MemoryBytes;
        var disk = asked?.DiskBytes > 0 ? asked.DiskBytes : Math.Min(options.WorkerDiskBytes, most.DiskBytes);
        var onDisk = IsOnDisk(disk, welcome!.Features);
        var reserved = asked?.ReservedBytes > 0 ? asked.ReservedBytes : Math.Min(options.WorkerReservedBytes, room);
        var weight = asked?.CpuWeight > 0 ? asked.CpuWeight : Math.Min(options.WorkerCpuWeight, most.CpuWeight);
        var cap = (welcome.Features & SpawnerFeatures.CpuCap) != SpawnerFeatures.None ? asked?.CpuMilli ?? 0 : 0;
        var io = (welcome.Features & SpawnerFeatures.IoRates) != SpawnerFeatures.None ? (asked?.Io ?? default).Or(options.WorkerIo.Within(most.Io)) : default;
        return new StartLimits(memory, onDisk ? disk : Math.Min(disk, room), reserved, asked?.Pids ?? 0, cap, weight) { OnDisk = onDisk, Io = io };
    }

    /// <summary>Where so much writable space lies. A task that asks for none has its profile's usual size, in memory.</summary>
    public static bool IsOnDisk(long bytes, SpawnerFeatures features) => bytes >= LeastOnDisk && (features & SpawnerFeatures.DiskImage) != SpawnerFeatures.None;

    /// <summary>Of the host, as many as its processes and threads can keep busy at once.</summary>
    public int Processors(string profile, Welcome? welcome)
    {
        var most = Pids > 0 ? Pids : Find(welcome, profile)?.Most?.Pids ?? 0;
        return most > 0 ? Math.Min(most, HostProcessors.Count) : HostProcessors.Count;
    }

    public static ProfileDescription? Find(Welcome? welcome, string profile)
    {
        for (var i = 0; i < welcome?.Profiles.Count; i++)
        {
            if (string.Equals(welcome.Profiles[i].Name, profile, StringComparison.Ordinal))
            {
                return welcome.Profiles[i];
            }
        }

        return null;
    }
}
