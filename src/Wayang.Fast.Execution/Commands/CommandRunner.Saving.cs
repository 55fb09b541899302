using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Network;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Commands;

/// <content>
/// Commands that save a state (migration: cooperative): a file below out/, which init sends first of all, and which the next attempt finds there. They are asked by SIGUSR1, and have
/// yielded when they end with <see cref="YieldCode"/> after that.
/// </content>
internal sealed partial class CommandRunner
{
    /// <summary>EX_TEMPFAIL of sysexits.h.</summary>
    public const int YieldCode = 75;

    private const int Sigusr1 = 10;

    private static readonly string[] s_stateFile = [$"WAYANG_STATE_FILE={StageFile.StatePath}"];

    /// <summary>Asks a command to save its state and to end.</summary>
    /// <returns>Null when it was asked; else why not.</returns>
    public OperationError? AskToYield(TaskId task)
    {
        if (!_byTask.TryGetValue(task, out var run) || run.ProcessId == 0)
        {
            return new OperationError(ErrorCode.Unavailable, "it is just being started, or just ending: try again", "task", 10);
        }

        if (run.Exit is not null || run.PendingEnd is not null)
        {
            return new OperationError(ErrorCode.Conflict, "it is ending", "task");
        }

        if (run.Holds.HasFlag(FreezeHolds.Paused))
        {
            return new OperationError(ErrorCode.Conflict, "it is paused, and cannot answer: resume it first", "task");
        }

        run.Wanted = true;
        link.SendSignal(run.Id, Sigusr1);
        ReleaseAll(run); // it cannot answer while it stands still
        return null;
    }

    private static bool HasYielded(CommandRun run) =>
        run is { Wanted: true, PendingEnd: null, Exit: { Kind: ExitKind.Code, Value: YieldCode } };

    /// <summary>Of the attempt before; held while it is copied.</summary>
    private static byte[]? SavedOf(TaskRecord record)
    {
        if (record.Life?.Saved is not { } saved || !saved.TryHold())
        {
            return null;
        }

        var copy = saved.Bytes.ToArray();
        saved.Release();
        return copy;
    }

    private static IReadOnlyList<string> EnvironmentOf(CommandRun run)
    {
        IReadOnlyList<string> granted = run.Pool.Grants is null ? [] : GrantedNetwork.Environment;
        return run.Record.Terms is { SavesFile: true } ? [.. granted, .. s_stateFile] : granted;
    }
}
