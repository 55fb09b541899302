using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>The keys of a task's <c>limits</c>.</summary>
public static class LimitFields
{
    public const int MemoryBytes = 0;
    public const int ReservedBytes = 1;
    public const int CpuMilli = 2;
    public const int CpuWeight = 3;
    public const int Pids = 4;
    public const int DiskBytes = 5;
    public const int IoReadBytes = 6;
    public const int IoWriteBytes = 7;
    public const int IoReadOps = 8;
    public const int IoWriteOps = 9;
    public const int Count = 10;

    public static RequestMap Map { get; } = new("limits",
    [
        new("memory_bytes", FieldType.Integer, "Memory of all its processes together, and of what it writes.")
            { Min = TaskLimits.LeastMemoryBytes, Max = TaskLimits.MostBytes },
        new("reserved_bytes", FieldType.Integer, "Memory that is left to it while the host can take other.") { Min = 4096, Max = TaskLimits.MostBytes },
        new("cpu_milli", FieldType.Integer, "Thousandths of a processor, at most; however idle the host is.")
            { Min = TaskLimits.LeastCpuMilli, Max = TaskLimits.MostCpuMilli },
        new("cpu_weight", FieldType.Integer, "Its share beside others, in per cent of what its class gives.") { Min = 1, Max = TaskLimits.MostCpuWeight },
        new("pids", FieldType.Integer, "Processes and threads at once.") { Min = 1, Max = TaskLimits.MostPids },
        new("disk_bytes", FieldType.Integer, "Writable space: the size of its /tmp.") { Min = TaskLimits.LeastDiskBytes, Max = TaskLimits.MostBytes },
        new("io_read_bytes_per_s", FieldType.Integer, "Bytes that it reads from each disk in a second, at most.") { Min = IoRates.LeastBytes, Max = IoRates.MostBytes },
        new("io_write_bytes_per_s", FieldType.Integer, "Bytes that it writes to each disk in a second, at most.") { Min = IoRates.LeastBytes, Max = IoRates.MostBytes },
        new("io_read_ops_per_s", FieldType.Integer, "Requests of it that read from each disk in a second, at most.") { Min = 1, Max = IoRates.MostOps },
        new("io_write_ops_per_s", FieldType.Integer, "Requests of it that write to each disk in a second, at most.") { Min = 1, Max = IoRates.MostOps },
    ]);

    /// <summary>Their row among the fields of a task.</summary>
    public static RequestField Field { get; } =
        new("limits", FieldType.Map, "What it may use: {memory_bytes, reserved_bytes, cpu_milli, cpu_weight, pids, disk_bytes, io_read_bytes_per_s, io_write_bytes_per_s, io_read_ops_per_s, io_write_ops_per_s}; never above its profile's.")
        {
            Map = Map,
        };
}
