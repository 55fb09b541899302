using System.Diagnostics;

namespace Wayang.Fast.Execution.Completions;

/// <summary>
/// The completion thread's timestamp. A look at the clock costs as much as a tenth of a task's whole way, so one serves a turn:
/// it is taken after every sleep, after every 16 completions, beside the workers' work after every sixteenth turn, and about
/// twice a microsecond of spinning. What is stamped with it is therefore early by a few microseconds at most. That thread only.
/// </summary>
internal sealed class TurnClock
{
    public long Now { get; private set; } = Stopwatch.GetTimestamp();

    public void Read() => Now = Stopwatch.GetTimestamp();
}
