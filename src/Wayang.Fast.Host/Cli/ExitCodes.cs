using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Host.Cli;

/// <summary>
/// The exit code of <c>wayang run</c> and <c>wayang wait</c>: the task's own where it has one, else what shells and timeout(1) have
/// made usual.
/// </summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>A function reported a typed error.</summary>
    public const int FunctionError = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    public const int TimedOut = 124;

    /// <summary>The runtime, not the task, ended it (sandbox violation, out of memory, lost) or could not start it.</summary>
    public const int RuntimeEnded = 125;

    public const int Cancelled = 130;

    private const int SignalBase = 128;

    public static int Of(TaskState state, TaskCause cause) => cause.Type switch
    {
        CauseType.Exit => cause.Value,
        CauseType.Signal => SignalBase + cause.Value,
        CauseType.Exception => FunctionError,
        CauseType.Timeout or CauseType.DeadlinePassed => TimedOut,
        CauseType.Cancelled => Cancelled,
        CauseType.None when state == TaskState.Succeeded => Success,
        _ => RuntimeEnded,
    };
}
