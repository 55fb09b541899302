using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Life;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Supervision;

/// <content>Workers and commands that stand still and go on.</content>
internal sealed partial class Supervisor
{
    /// <summary>Answers the request when the spawner was told. Thread-safe.</summary>
    public void PauseCommand(LifeRequest request) => Post(new SupervisorRequest(SupervisorRequestKind.PauseCommand, Life: request));

    /// <summary>A command is to save its state and to end; the request is answered by that, or with why it was not asked. Thread-safe.</summary>
    public void AskToYield(LifeRequest request) => Post(new SupervisorRequest(SupervisorRequestKind.AskToYield, Life: request));

    /// <summary>A command's slot was lent, or it has it again. Thread-safe.</summary>
    public void FreezeCommand(TaskId id, bool freeze) => Post(new SupervisorRequest(SupervisorRequestKind.FreezeCommand, Id: id, Freeze: freeze));

    /// <summary>A call worker's slots were lent, or it has them again. Thread-safe.</summary>
    public void FreezeWorker(ulong worker, bool freeze) => Post(new SupervisorRequest(SupervisorRequestKind.FreezeWorker, Worker: worker, Freeze: freeze));

    /// <summary>What the spawner said it froze or thawed, by way of the groups' freezer and by signals. Momentary values.</summary>
    public long FreezesByGroup { get; private set; }

    public long FreezesBySignal { get; private set; }

    private bool OnWorkerFrozen(ReadOnlySpan<byte> body)
    {
        if (!FreezeMessages.TryReadFrozen(body, out _, out var frozen, out var how))
        {
            return false;
        }

        if (frozen)
        {
            FreezesByGroup += how == FrozenBy.Group ? 1 : 0;
            FreezesBySignal += how == FrozenBy.Signal ? 1 : 0;
        }

        return true;
    }

    private void ChangePause(in SupervisorRequest asked)
    {
        var request = asked.Life!;
        if (asked.Kind == SupervisorRequestKind.AskToYield)
        {
            if (_commands.AskToYield(request.Id) is { } refusal)
            {
                request.Reply(refusal);
                _completion.Post(new CompletionCommand(CompletionCommandKind.YieldOverdue, Id: request.Id, Life: request)); // nobody waits any more
            }

            return;
        }

        if (request.Kind == LifeRequestKind.Pause)
        {
            request.Reply(_commands.Pause(request.Id));
            return;
        }

        WatchDeadline(_commands.Resume(request.Id));
        request.Reply(null);
    }
}
