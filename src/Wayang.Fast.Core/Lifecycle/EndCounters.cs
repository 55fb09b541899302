using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Ends by state and by cause since the start. Written by the completion thread, read by any.</summary>
public sealed class EndCounters
{
    private readonly long[] _byState = new long[Enum.GetValues<TaskState>().Length];
    private readonly long[] _byCause = new long[Enum.GetValues<CauseType>().Length];
    private long _total;

    public long Total => Volatile.Read(ref _total);

    public long Of(TaskState state) => Volatile.Read(ref _byState[(int)state]);

    public long Of(CauseType cause) => Volatile.Read(ref _byCause[(int)cause]);

    internal void Count(TaskState state, CauseType cause)
    {
        _byState[(int)state]++;
        _byCause[(int)cause]++;
        _total++;
    }
}
