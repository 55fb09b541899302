using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Operations;

/// <content>Tasks of a session: submitted one behind the other, and each awaited by itself.</content>
public sealed partial class OperationDesk
{
    /// <summary>Submits a task of a session; null: its end is to be awaited by <see cref="EndAsync"/>, once. It counts as a request of the caller until then.</summary>
    internal OperationError? Begin(Caller caller, ReadOnlySpan<byte> parameters, SessionTask task)
    {
        if (CallerRefusals.TooFast(caller) is { } tooFast)
        {
            return tooFast;
        }

        if (!caller.Identity.TryBeginCall())
        {
            return TooMany();
        }

        var refusal = Try(caller.Tenant, parameters, task);
        if (refusal is not null)
        {
            caller.Identity.EndCall();
        }

        return refusal;
    }

    /// <summary>Ends when the result stands in the task's buffer, or says why there is none. <paramref name="gone"/>: nobody awaits it any more; it goes on.</summary>
    internal async Task<OperationError?> EndAsync(Caller caller, SessionTask task, CancellationToken gone)
    {
        try
        {
            if (task.AwaitsStore && ports.Tasks.Wait(task.Id, caller.Tenant, task.End!, 0) is { } unknown)
            {
                return unknown;
            }

            if (task.IsUnwanted(out var unwanted))
            {
                ports.Tasks.Cancel(unwanted, caller.Tenant);
            }

            await AwaitAsync(task, gone);
            return task.End!.Refusal;
        }
        finally
        {
            caller.Identity.EndCall();
        }
    }

    /// <summary>The result that there was no room for: as it stands in the node's memory now.</summary>
    internal Task<OperationError?> ReadAgainAsync(Caller caller, SessionTask task, CancellationToken gone) =>
        WaitAsync(caller.Tenant, task.End!.Id, default, task.Result, gone);

    /// <summary>Asks a task of a session to stop.</summary>
    internal void Cancel(Caller caller, SessionTask task)
    {
        if (task.TryCancel(out var id))
        {
            ports.Tasks.Cancel(id, caller.Tenant);
        }
    }

    private OperationError? Try(int tenant, ReadOnlySpan<byte> parameters, SessionTask task)
    {
        var slots = new ParameterSlot[OperationTable.MaxFields];
        try
        {
            return Read(OperationTable.TaskRun, parameters, slots) ?? Submit(tenant, parameters, slots, task);
        }
        catch (Exception defect) when (defect is not OperationCanceledException)
        {
            onDefect?.Invoke(defect);
            return new(ErrorCode.Internal, $"{defect.GetType().Name}: {defect.Message}");
        }
    }

    /// <summary>A durable task is awaited when it is stored: with an observer from the start nobody would be told that it is.</summary>
    private OperationError? Submit(int tenant, ReadOnlySpan<byte> parameters, ReadOnlySpan<ParameterSlot> slots, SessionTask task)
    {
        task.End = new AwaitedEnd(task.Result, _ended, task.Room);
        var free = _targets.GetOrAdd(tenant, static _ => []);
        var targets = free.TryTake(out var lent) ? lent : new TargetCache(ports.Tasks, tenant);
        var refusal = TaskRequest.Bind(parameters, slots, targets, out var submission);
        if (refusal is null)
        {
            task.AwaitsStore = submission.Terms?.Durable ?? ports.Tasks.StoresByDefault;
            refusal = ports.Tasks.Submit(
                task.AwaitsStore ? submission with { Receipt = task } : submission, task.AwaitsStore ? null : task.End, 0, out var id);
            if (refusal is null && id != default)
            {
                task.Know(id);
                task.Take();
            }
        }

        free.Add(targets);
        return refusal;
    }

    private async Task AwaitAsync(SessionTask task, CancellationToken gone)
    {
        try
        {
            await task.End!.Ended.WaitAsync(gone);
        }
        catch (OperationCanceledException)
        {
            if (!task.End!.Abandon(ports.Tasks, task.Id))
            {
                await task.End.Ended;
            }

            throw;
        }
    }
}
