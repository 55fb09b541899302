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
    public const int Count = 6;

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
    ]);

    /// <summary>Their row among the fields of a task.</summary>
    public static RequestField Field { get; } =
        new("limits", FieldType.Map, "What it may use: {memory_bytes, reserved_bytes, cpu_milli, cpu_weight, pids, disk_bytes}; never above its profile's.")
        {
            Map = Map,
        };
}
