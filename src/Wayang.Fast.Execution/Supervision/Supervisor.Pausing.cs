using Wayang.Fast.Execution.Life;

namespace Wayang.Fast.Execution.Supervision;

/// <content>Commands that are stopped and go on.</content>
internal sealed partial class Supervisor
{
    /// <summary>Answers the request when the spawner was told. Thread-safe.</summary>
    public void PauseCommand(LifeRequest request) => Post(new SupervisorRequest(SupervisorRequestKind.PauseCommand, Life: request));

    private void ChangePause(LifeRequest request)
    {
        if (request.Kind == LifeRequestKind.Pause)
        {
            request.Reply(_commands.Pause(request.Id));
            return;
        }

        WatchDeadline(_commands.Resume(request.Id));
        request.Reply(null);
    }
}
