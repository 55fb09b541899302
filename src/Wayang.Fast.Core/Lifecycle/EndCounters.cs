using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Ends by state and cause since the start. Written by the completion thread, read by any.</summary>
public sealed class EndCounters
{
    private static readonly int s_causes = Enum.GetValues<CauseType>().Length;

    private readonly long[] _counts = new long[Enum.GetValues<TaskState>().Length * s_causes];

    public long Total => Sum(0, _counts.Length, 1);

    public long Of(TaskState state) => Sum((int)state * s_causes, ((int)state + 1) * s_causes, 1);

    public long Of(CauseType cause) => Sum((int)cause, _counts.Length, s_causes);

    public long Of(TaskState state, CauseType cause) => Volatile.Read(ref _counts[((int)state * s_causes) + (int)cause]);

    internal void Count(TaskState state, CauseType cause) => _counts[((int)state * s_causes) + (int)cause]++;

    private long Sum(int from, int to, int step)
    {
        long sum = 0;
        for (var i = from; i < to; i += step)
        {
            sum += Volatile.Read(ref _counts[i]);
        }

        return sum;
    }
}
