using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>The three spans of a task's life.</summary>
public enum TaskSpan : byte
{
    /// <summary>Submission to dispatch; of tasks that were dispatched.</summary>
    Queue = 0,

    /// <summary>Dispatch to running.</summary>
    Start,

    /// <summary>Running to the end.</summary>
    Run,
}

/// <summary>
/// How long tasks waited, started and ran, by class. Recorded once a task ended, from the timestamps that its record carries
/// anyway: no clock is read for it, and the completion thread, which ends all tasks, is the one writer. Values are ticks of the
/// runtime's <see cref="TimeProvider"/> (nanoseconds on Linux); <see cref="SecondsPerTick"/> makes seconds of them.
/// </summary>
public sealed class TaskTimes
{
    private const int Spans = 3;
    private const int LevelsPerStep = 3; // classes begin at multiples of 8 levels

    private readonly LatencyHistogram[] _histograms;
    private readonly LatencyHistogram[] _byStep = new LatencyHistogram[Scheduler.Levels >> LevelsPerStep << 2];

    public TaskTimes(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        SecondsPerTick = 1.0 / time.TimestampFrequency;
        _histograms = new LatencyHistogram[Enum.GetValues<TaskClass>().Length * Spans];
        for (var i = 0; i < _histograms.Length; i++)
        {
            _histograms[i] = new LatencyHistogram();
        }

        for (var step = 0; step < Scheduler.Levels >> LevelsPerStep; step++)
        {
            for (var span = 0; span < Spans; span++)
            {
                _byStep[(step << 2) + span] = Of(SchedulerOptions.ClassOf(step << LevelsPerStep), (TaskSpan)span);
            }
        }
    }

    public double SecondsPerTick { get; }

    /// <summary>To read from; never to record into.</summary>
    public LatencyHistogram Of(TaskClass taskClass, TaskSpan span) => _histograms[((int)taskClass * Spans) + (int)span];

    internal void Record(TaskRecord record)
    {
        if (record.Started == 0)
        {
            return; // it ended while it waited: cancelled, or its pool went
        }

        var step = record.Level >> LevelsPerStep << 2;
        _byStep[step].Record(record.Started - record.Submitted);
        var running = record.Running;
        if (running == 0)
        {
            return;
        }

        _byStep[step + 1].Record(running - record.Started);
        _byStep[step + 2].Record(record.Ended - running);
    }
}
