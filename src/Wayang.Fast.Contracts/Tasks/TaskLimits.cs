namespace Wayang.Fast.Contracts.Tasks;

/// <summary>
/// What one task may use. A limit of 0 was not asked for: the node's configuration says it, else the profile. Never above the
/// profile's own. Two tasks with equal limits may share warm workers.
/// </summary>
public sealed record TaskLimits
{
    /// <summary>The least memory that anything can start in.</summary>
    public const long LeastMemoryBytes = 4 << 20;

    /// <summary>The largest size that any key takes.</summary>
    public const long MostBytes = 1L << 46;

    public const int LeastCpuMilli = 10;
    public const int MostCpuMilli = 1_024_000;
    public const int MostCpuWeight = 1_000;
    public const int MostPids = 4_096;
    public const long LeastDiskBytes = 4_096;

    /// <summary>Of all its processes together, with the files that it writes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Memory that is left to it while the host can take other.</summary>
    public long ReservedBytes { get; init; }

    /// <summary>Thousandths of a processor that it gets at most, however idle the host is.</summary>
    public int CpuMilli { get; init; }

    /// <summary>Its share beside others, in per cent of what its class gives.</summary>
    public int CpuWeight { get; init; }

    /// <summary>Processes and threads at once.</summary>
    public int Pids { get; init; }

    /// <summary>Writable space: the size of its /tmp.</summary>
    public long DiskBytes { get; init; }

    /// <summary>Reads and writes of each disk in a second.</summary>
    public IoRates Io { get; init; }

    /// <summary>Those that were asked for, with their names on the wire and in the order of the operation table.</summary>
    public IEnumerable<(string Name, long Value)> Asked()
    {
        (string, long)[] all =
        [
            ("memory_bytes", MemoryBytes), ("reserved_bytes", ReservedBytes), ("cpu_milli", CpuMilli), ("cpu_weight", CpuWeight),
            ("pids", Pids), ("disk_bytes", DiskBytes), .. Io.Named(),
        ];
        foreach (var limit in all)
        {
            if (limit.Item2 > 0)
            {
                yield return limit;
            }
        }
    }

    /// <summary>The reverse of <see cref="Asked"/>; names that are not known are left out.</summary>
    public static TaskLimits Of(IReadOnlyDictionary<string, long> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new TaskLimits
        {
            MemoryBytes = values.GetValueOrDefault("memory_bytes"),
            ReservedBytes = values.GetValueOrDefault("reserved_bytes"),
            CpuMilli = (int)values.GetValueOrDefault("cpu_milli"),
            CpuWeight = (int)values.GetValueOrDefault("cpu_weight"),
            Pids = (int)values.GetValueOrDefault("pids"),
            DiskBytes = values.GetValueOrDefault("disk_bytes"),
            Io = new IoRates(
                values.GetValueOrDefault("io_read_bytes_per_s"),
                values.GetValueOrDefault("io_write_bytes_per_s"),
                (int)values.GetValueOrDefault("io_read_ops_per_s"),
                (int)values.GetValueOrDefault("io_write_ops_per_s")),
        };
    }
}
