using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Limits;

namespace Wayang.Fast.Host.Configuration;

/// <content>What one task may use, where it does not say so itself.</content>
public static partial class ConfigurationKeys
{
    private const string ProfilesRate = "the profile's rate, or none; so too where this host cannot enforce it";

    private static IEnumerable<ConfigurationKey> OfLimits() =>
    [
        Number("limits.worker_cpu_weight", "Share of one worker or command beside others, in per cent of what its class gives; of those that start from now on.", 1, TaskLimits.MostCpuWeight, static r => r.WorkerCpuWeight, static (r, n) => r with { WorkerCpuWeight = (int)n })
            with { ZeroMeans = "100" },
        Size("limits.worker_reserved_bytes", "Memory left to one worker or command while the host can take other; never over its limit.", 4_096, 1L << 40, static r => r.WorkerReservedBytes, static (r, n) => r with { WorkerReservedBytes = n })
            with { ZeroMeans = "none" },
        Size("limits.worker_disk_bytes", "Writable space (/tmp) of one worker or command, never over its profile's; where no room can be made on the disk it lies in its memory, and is never over that.", 4_096, 1L << 40, static r => r.WorkerDiskBytes, static (r, n) => r with { WorkerDiskBytes = n })
            with { ZeroMeans = "the profile's usual size" },
        Size("limits.worker_io_read_bytes_per_s", "Bytes that one worker or command reads from each disk in a second, at most; no task may ask for more.", IoRates.LeastBytes, IoRates.MostBytes, static r => r.WorkerIo.ReadBytes, static (r, n) => r with { WorkerIo = r.WorkerIo with { ReadBytes = n } })
            with { ZeroMeans = ProfilesRate },
        Size("limits.worker_io_write_bytes_per_s", "Bytes that one worker or command writes to each disk in a second, at most.", IoRates.LeastBytes, IoRates.MostBytes, static r => r.WorkerIo.WriteBytes, static (r, n) => r with { WorkerIo = r.WorkerIo with { WriteBytes = n } })
            with { ZeroMeans = ProfilesRate },
        Number("limits.worker_io_read_ops_per_s", "Requests of one worker or command that read from each disk in a second, at most.", 1, IoRates.MostOps, static r => r.WorkerIo.ReadOps, static (r, n) => r with { WorkerIo = r.WorkerIo with { ReadOps = (int)n } })
            with { ZeroMeans = ProfilesRate },
        Number("limits.worker_io_write_ops_per_s", "Requests of one worker or command that write to each disk in a second, at most.", 1, IoRates.MostOps, static r => r.WorkerIo.WriteOps, static (r, n) => r with { WorkerIo = r.WorkerIo with { WriteOps = (int)n } })
            with { ZeroMeans = ProfilesRate },
        new("limits.disk_directory", KeyKind.Path, "Where room is made for writable space of 16 MiB and more: a file system of that size for each task, in a file without a name. Only a runtime that root started can; the directory is root's alone.")
        {
            Minimum = 1,
            Maximum = 200,
            Change = KeyChange.Restart,
            Read = static s => s.DiskDirectory,
            Apply = static (s, v) => s with { DiskDirectory = v.Text },
            DefaultWords = "as root /var/lib/wayang/space, else nowhere: it lies in memory",
            Sample = "/var/lib/wayang/space",
        },
        new("limits.unenforced", KeyKind.Word, "What becomes of a task that asks for a limit which this host cannot enforce; 'tell' runs it and names the limit in what is known of it.")
        {
            Choices = WireNames.All<UnenforcedLimits>(),
            Read = static s => WireNames.Text(s.Runtime.UnenforcedLimits),
            Apply = static (s, v) => s with { Runtime = s.Runtime with { UnenforcedLimits = (UnenforcedLimits)v.Number } },
        },
    ];

    private static IEnumerable<ConfigurationKey> OfTheAllocator() =>
    [
        new(Allocator + "cpu_shares", KeyKind.Decimal, "Share of one task beside others; 1 is what its class gives.")
            { Fraction = (0.01, 10), Sample = "0.5", SameAs = "limits.worker_cpu_weight" },
        new(Allocator + "memory_reservation_mb", KeyKind.Number, "Memory left to one task while the host can take other, in MB of 2^20 bytes.")
            { Minimum = 1, Maximum = LargestMegabytes, Unit = "MB", Sample = "512", SameAs = "limits.worker_reserved_bytes", Factor = 1 << 20 },
        new(Allocator + "disk_quota_gb", KeyKind.Number, "Writable space of one task, in GB of 2^30 bytes.")
            { Minimum = 1, Maximum = 1_024, Unit = "GB", Sample = "10", SameAs = "limits.worker_disk_bytes", Factor = 1 << 30 },
    ];

    private static IEnumerable<ConfigurationKey> OfStates() =>
    [
        Size("limits.state_bytes", "What one call may save for its next attempt (wayang_save), in workers that start from now on.", 1_024, 64 << 20, static r => r.MaxStateBytes, static (r, n) => r with { MaxStateBytes = (int)n })
            with { ZeroMeans = "nothing is saved" },
        Size("limits.all_states_bytes", "What all tasks have saved together; a state that there is no room for is not kept.", 1 << 20, 1L << 40, static r => r.MaxStatesBytes, static (r, n) => r with { MaxStatesBytes = n }),
    ];
}
