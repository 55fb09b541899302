using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Life;

/// <content>
/// Calls and commands of tasks with <c>migration: cooperative</c>, which are asked for their places. A call that does not look, or does not answer in time, goes on: nothing is taken from it. If it yields later, it
/// waits in its queue and goes on from what it saved.
/// </content>
internal sealed partial class LifeExecutor
{
    /// <summary>Set once by the composition.</summary>
    public LifeTimers Timers { get; set; } = null!;

    /// <summary>The wish of <paramref name="request"/> is over its time.</summary>
    public void ForgetWish(LifeRequest request)
    {
        if (request.Wish is { } wish && table.Find(request.Id)?.Life is { } life && life.Wish == wish)
        {
            life.Wish = null;
            wish.Answer(new OperationError(
                ErrorCode.Conflict, $"it was asked to save its state and to give its place back, and did not within {options.Current.YieldMs} ms (migration.yield_ms): it goes on", "task", 1000));
        }
    }

    /// <param name="worker">Where its call is; null: it is a command.</param>
    private void AskToYield(LifeRequest request, TaskRecord record, CallWorker? worker)
    {
        var life = record.NeedLife();
        if (life.Wish is not null)
        {
            request.Reply(new OperationError(ErrorCode.Conflict, "it was asked to give its place back already", "task", 100));
            return;
        }

        life.Wish = request.Wish = new YieldWish(request.Reply);
        if (worker is null)
        {
            Supervisor.AskToYield(request);
        }
        else
        {
            shard.Post(new ShardEvent(ShardEventKind.WantState, worker, Ticket: record.Ticket));
        }

        Timers.Add(
            new CompletionCommand(CompletionCommandKind.YieldOverdue, Id: request.Id, Life: request),
            Stopwatch.GetTimestamp() + (options.Current.YieldMs * (Stopwatch.Frequency / 1000)));
    }
}
