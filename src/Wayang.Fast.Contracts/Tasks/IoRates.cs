using System.Runtime.InteropServices;

namespace Wayang.Fast.Contracts.Tasks;

/// <summary>What a task may do on each disk of its host in a second. 0: not limited, or not asked for.</summary>
/// <param name="ReadBytes">Bytes read.</param>
/// <param name="WriteBytes">Bytes written.</param>
/// <param name="ReadOps">Operations that read.</param>
/// <param name="WriteOps">Operations that write.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct IoRates(long ReadBytes, long WriteBytes, int ReadOps, int WriteOps)
{
    /// <summary>Less would hold up one request for longer than people wait.</summary>
    public const long LeastBytes = 65_536;

    public const long MostBytes = 1L << 46;
    public const int MostOps = 100_000_000;

    /// <summary>All four, with their names on the wire and in the order of the operation table.</summary>
    public (string Name, long Value)[] Named() =>
    [
        ("io_read_bytes_per_s", ReadBytes), ("io_write_bytes_per_s", WriteBytes), ("io_read_ops_per_s", ReadOps), ("io_write_ops_per_s", WriteOps),
    ];

    /// <summary>Where this one has none, that of <paramref name="other"/>.</summary>
    public IoRates Or(IoRates other) => Each(other, static (mine, others) => mine > 0 ? mine : others);

    /// <summary>Of each the lower, where both have one.</summary>
    public IoRates Within(IoRates most) => Each(most, static (mine, others) => mine > 0 && others > 0 ? Math.Min(mine, others) : mine);

    private IoRates Each(IoRates other, Func<long, long, long> choose) => new(
        choose(ReadBytes, other.ReadBytes), choose(WriteBytes, other.WriteBytes), (int)choose(ReadOps, other.ReadOps), (int)choose(WriteOps, other.WriteOps));
}
