using System.Diagnostics;
using Wayang.Fast.Execution.Completions;

namespace Wayang.Fast.Execution.Supervision;

/// <content>How long a turn may wait, and what is tried again when it did.</content>
internal sealed partial class Supervisor
{
    private int Timeout()
    {
        if (_retries.Count > 0 || _link.HasWaiting)
        {
            return RetryMilliseconds;
        }

        var next = Math.Min(Math.Min(Volatile.Read(ref _nextDeadline), _nextTick), _commands.NextLook);
        var ticks = next - Stopwatch.GetTimestamp();
        return ticks <= 0 ? 0 : (int)Math.Min(1000, (ticks * 1000 / Stopwatch.Frequency) + 1);
    }

    private void Retry()
    {
        if (_retries.Count == 0)
        {
            return;
        }

        var retries = _retries.ToArray();
        _retries.Clear();
        foreach (var request in retries)
        {
            if (request.Kind == SupervisorRequestKind.RetryCancel)
            {
                _completion.Post(new CompletionCommand(CompletionCommandKind.Cancel, Id: request.Id));
            }
            else
            {
                Handle(request);
            }
        }
    }
}
