using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Dispatch;
using Wayang.Fast.Execution.Handover;

namespace Wayang.Fast.Execution.Draining;

/// <summary>This node's tasks, for those who let them end or go elsewhere: looked at from outside, without a lock of the threads that own them.</summary>
internal sealed class DrainableNode(TaskTable table, TaskLifecycle lifecycle, Shard shard, TaskService service, VisitBook visits) : IDrainable
{
    public bool RefusesWork
    {
        get => service.RefusesWork;
        set => service.RefusesWork = value;
    }

    public IReadOnlyList<LiveTask> List(out int waiting)
    {
        var found = new List<LiveTask>();
        waiting = 0;
        foreach (var record in table.Records())
        {
            var state = record.State;
            if (state == TaskState.Queued && record.Life is null or { Checkpoint: null, Paused: false })
            {
                waiting++; // most of them, where there are many: each would be told the same
            }
            else if (state is > TaskState.None and < TaskState.Succeeded && Describe(record) is { } task)
            {
                found.Add(task);
            }
        }

        return found;
    }

    public IReadOnlyList<LiveTask> Frozen()
    {
        if (shard.Frozen == 0)
        {
            return [];
        }

        var found = new List<LiveTask>();
        foreach (var record in table.Records())
        {
            if (record.State == TaskState.Frozen && Describe(record) is { Home: null, State: TaskState.Frozen } task)
            {
                found.Add(task);
            }
        }

        return found;
    }

    public Task<OperationError?> GiveBackAsync(TaskId id) => visits.GiveBackAsync(id);

    private LiveTask? Describe(TaskRecord record)
    {
        var id = record.Id;
        if (!lifecycle.TryPin(id, out var pinned))
        {
            return null;
        }

        try
        {
            var (state, life) = (pinned.State, pinned.Life);
            return state >= TaskState.Succeeded ? null : new LiveTask(
                id, pinned.Tenant, state, life?.Visit?.Home, life?.Stay?.Node, life is { Paused: true }, life is { IsDurable: true }, life?.Checkpoint is not null,
                pinned.Kind == TaskKind.Call, life?.Moves?.Times ?? 0, state == TaskState.Frozen ? life?.Preemption?.Since : null,
                pinned.Level, state == TaskState.Running && pinned.Running is not 0 and var running ? Stopwatch.GetElapsedTime(running) : TimeSpan.Zero);
        }
        finally
        {
            lifecycle.Unpin(pinned);
        }
    }
}
