using System.Diagnostics;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// Processor time of a call. Only its worker can know it, and that is hostile: what it says is a claim, believed as far as processors and the time since dispatch
/// allow. A worker can say less than is true and, within that bound, more; nothing is decided by it.
/// </summary>
internal static class CallCost
{
    /// <returns>0: not measured. A call that was measured took at least one.</returns>
    public static ulong Microseconds(CallWorker worker, in InFlightEntry entry)
    {
        var claim = worker.Reader.ClaimedCpuNanoseconds(entry.Ticket);
        return claim < 0 ? 0 : Believe((ulong)claim, Stopwatch.GetElapsedTime(entry.Since), worker.MeasuredProcessors);
    }

    /// <param name="elapsed">From dispatch until now: not shorter than what the worker had.</param>
    internal static ulong Believe(ulong claimNanoseconds, TimeSpan elapsed, int processors)
    {
        var most = (ulong)Math.Max(0, elapsed.Ticks) * 100 * (ulong)processors;
        return Math.Max(1, (Math.Min(claimNanoseconds, most) + 999) / 1000);
    }
}
