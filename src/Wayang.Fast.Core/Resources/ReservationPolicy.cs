using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Resources;

/// <summary>Why a task's reservation is what it is.</summary>
public enum ReservationSource : byte
{
    /// <summary>Nothing was declared or learned: nothing is set aside.</summary>
    None = 0,

    /// <summary>What the task, or the configuration for it, declares.</summary>
    Declared,

    /// <summary>The quantile of what its type used.</summary>
    Learned,

    /// <summary>More than declared, since one of its type ran out of memory.</summary>
    Raised,
}

/// <summary>Memory set aside for one task while it runs.</summary>
/// <param name="Bytes">Of the node's memory.</param>
/// <param name="Source">Where the figure comes from.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Reservation(long Bytes, ReservationSource Source);

/// <summary>
/// Turns what a task declares and what its type used into what is set aside for it. The limit that the kernel enforces is not touched:
/// a task may use more than was set aside as long as the node has it.
/// </summary>
/// <param name="Quantile">Of the peak memory of earlier tasks of the type, 0 to 1.</param>
/// <param name="MinSamples">Tasks of a type before its figures count.</param>
/// <param name="Headroom">Added to the quantile, as a fraction of it.</param>
public sealed record ReservationPolicy(double Quantile, int MinSamples, double Headroom)
{
    public static ReservationPolicy Default { get; } = new(0.95, 20, 0.1);

    /// <param name="declaredBytes">What the task says it needs; 0: nothing.</param>
    /// <param name="limitBytes">What the kernel lets it have at most; 0: not known.</param>
    /// <param name="type">What was learned; null: nothing.</param>
    public Reservation Of(long declaredBytes, long limitBytes, TaskType? type)
    {
        var bytes = declaredBytes;
        var source = declaredBytes > 0 ? ReservationSource.Declared : ReservationSource.None;
        if (type is not null && type.Memory.Seen >= MinSamples)
        {
            bytes = (long)(type.Memory.Quantile(Quantile) * (1 + Headroom));
            source = ReservationSource.Learned;
        }

        if (type is not null && type.MemoryFloor > bytes)
        {
            bytes = type.MemoryFloor;
            source = ReservationSource.Raised;
        }

        return new Reservation(limitBytes > 0 ? Math.Min(bytes, limitBytes) : bytes, source);
    }
}
