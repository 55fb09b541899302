using System.Diagnostics;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Completions;

namespace Wayang.Fast.Execution.Life;

/// <summary>
/// The port's implementation, and what a submission with terms of life needs beside its record. Any thread; what changes a task is done by
/// the completion thread.
/// </summary>
internal sealed class LifeService(
    LiveOptions options, TenantDirectory tenants, TaskTable table, TaskLifecycle lifecycle, CompletionThread completion, LifeTimers timers, TaskGroups groups, SubmissionKeys keys) : ITaskLife
{
    // The completion thread answers within its turn; longer only when the runtime stops.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public SubmissionKeys Keys { get; } = keys;

    public TaskGroups Groups { get; } = groups;

    public LifeTimers Timers { get; } = timers;

    public Task<OperationError?> PauseAsync(TaskId id, int tenant) => AskAsync(new LifeRequest(LifeRequestKind.Pause, id), tenant);

    public Task<OperationError?> ResumeAsync(TaskId id, int tenant) => AskAsync(new LifeRequest(LifeRequestKind.Resume, id), tenant);

    public Task<OperationError?> CheckpointAsync(TaskId id, int tenant) => AskAsync(new LifeRequest(LifeRequestKind.Checkpoint, id), tenant);

    public Task<OperationError?> UpdateAsync(TaskId id, int tenant, TaskUpdate update)
    {
        if (update.Level is { } level && tenants.Of(tenant) is var owner && level > owner.HighestLevel)
        {
            return Task.FromResult<OperationError?>(TaskService.RefuseLevel(level, owner));
        }

        return update.TimeoutMs > options.Current.MaxTimeoutMs
            ? Task.FromResult<OperationError?>(TaskService.RefuseTimeout(update.TimeoutMs.Value, options.Current.MaxTimeoutMs))
            : AskAsync(new LifeRequest(LifeRequestKind.Update, id) { Update = update }, tenant);
    }

    public OperationError? CancelGroup(string group, int tenant, out int asked)
    {
        asked = 0;
        if (!Groups.TryGet(tenant, group, out var live, out _))
        {
            return UnknownGroup(group);
        }

        asked = live.Length;
        var cause = new TaskCause(CauseType.Cancelled, 0, $"its group {group} was cancelled");
        foreach (var id in live)
        {
            completion.Post(new CompletionCommand(CompletionCommandKind.Stop, Id: id, State: TaskState.Cancelled, Cause: cause));
        }

        return null;
    }

    public IReadOnlyList<GroupSummary> ListGroups(int tenant, string? after, int limit, out bool more) => Groups.List(tenant, after, limit, out more);

    public OperationError? GetGroup(string group, int tenant, out GroupSnapshot? snapshot)
    {
        snapshot = null;
        if (!Groups.TryGet(tenant, group, out var live, out var ended))
        {
            return UnknownGroup(group);
        }

        var states = new SortedDictionary<TaskState, long> { [TaskState.Queued] = 0, [TaskState.Starting] = 0, [TaskState.Running] = 0 };
        foreach (var id in live)
        {
            // Ended since the list was made: counted at the next look.
            var state = table.Find(id)?.State ?? TaskState.None;
            state = state is TaskState.None or >= TaskState.Succeeded ? TaskState.Running : state;
            states[state] = states.GetValueOrDefault(state) + 1;
        }

        for (var state = TaskState.Succeeded; (int)state < ended.Length; state++)
        {
            states[state] = ended[(int)state];
        }

        snapshot = new GroupSnapshot(group, states);
        return null;
    }

    public OperationError? WaitGroup(string group, int tenant, out Task ended) =>
        Groups.TryAwaitEmpty(tenant, group, out ended) ? null : UnknownGroup(group);

    /// <summary>Refuses what a task may not ask for, and takes what <see cref="Withdraw"/> gives back. Before the task is admitted.</summary>
    public OperationError? Prepare(TaskTerms terms, int tenant, out LifePromise promise)
    {
        promise = default;
        if (terms.Deadline is { } deadline && deadline <= DateTimeOffset.UtcNow)
        {
            return new OperationError(ErrorCode.InvalidArgument, $"the deadline {deadline:O} has passed already (it is {DateTimeOffset.UtcNow:O} here)", "deadline");
        }

        if (terms.Parent is { } parent && PrepareChild(parent, tenant, out promise) is { } refusal)
        {
            return refusal;
        }

        if (terms.Group is not { } name)
        {
            return null;
        }

        var full = Groups.TryJoin(tenant, name, out var group);
        if (full is not null)
        {
            Withdraw(terms, promise);
        }

        promise = promise with { Group = group };
        return full;
    }

    /// <summary>The same for a task of an earlier start: it has no parent, and a group that is full goes without it.</summary>
    public LifePromise Rejoin(TaskTerms terms, int tenant)
    {
        TaskGroup? group = null;
        if (terms.Group is { } name)
        {
            _ = Groups.TryJoin(tenant, name, out group);
        }

        return new LifePromise(group, 0);
    }

    /// <summary>The task of these promises was not admitted.</summary>
    public void Withdraw(TaskTerms terms, in LifePromise promise)
    {
        if (terms.Parent is { } parent && promise.Depth > 0)
        {
            table.Find(parent)?.Life?.UncountChild();
        }

        if (promise.Group is { } group)
        {
            Groups.Withdraw(group);
        }
    }

    /// <summary>Puts the promises into the record of a task that is about to be admitted.</summary>
    public static void Fill(TaskRecord record, in LifePromise promise)
    {
        if (record.Life is { } life)
        {
            life.Group = promise.Group;
            life.Depth = promise.Depth;
        }
    }

    /// <summary>The task was admitted, and is not yet up for dispatch: its deadline runs, group and parent learn of it.</summary>
    public void Begin(TaskId id, TaskTerms terms, in LifePromise promise)
    {
        if (promise.Group is { } group)
        {
            Groups.Add(group, id);
        }

        if (terms.Deadline is { } deadline)
        {
            var left = Math.Max(0, (deadline - DateTimeOffset.UtcNow).TotalSeconds);
            var passed = new CompletionCommand(
                CompletionCommandKind.Stop, Id: id, State: TaskState.TimedOut, Cause: new TaskCause(CauseType.DeadlinePassed, 0, $"its deadline {deadline:O} passed"));
            Timers.Add(passed, Stopwatch.GetTimestamp() + (long)(left * Stopwatch.Frequency));
        }

        if (terms.Parent is not null)
        {
            completion.Post(new CompletionCommand(CompletionCommandKind.Life, Life: new LifeRequest(LifeRequestKind.Adopt, id)));
        }
    }

    private static OperationError UnknownGroup(string group) =>
        new(ErrorCode.NotFound, $"no group '{group}': no task of this tenant named it, or it was forgotten (see retention)", "group");

    private OperationError? PrepareChild(TaskId parent, int tenant, out LifePromise promise)
    {
        promise = default;
        var bounds = options.Current;
        if (!lifecycle.TryPin(parent, out var record))
        {
            return UnknownParent(parent);
        }

        try
        {
            if (record.Tenant != tenant || record.State >= TaskState.Succeeded)
            {
                return record.Tenant != tenant ? UnknownParent(parent)
                    : new OperationError(ErrorCode.InvalidArgument, $"the parent {parent} has ended: it can have no more children", "parent");
            }

            var life = record.NeedLife();
            if (life.Depth >= bounds.MaxFamilyDepth)
            {
                return new OperationError(ErrorCode.ResourceExhausted, $"the parent {parent} has {life.Depth} tasks above it: the bound life.family_depth", "parent");
            }

            if (!life.TryCountChild(bounds.MaxChildren))
            {
                return new OperationError(ErrorCode.ResourceExhausted, $"the parent {parent} has {bounds.MaxChildren} children: the bound life.children", "parent", 1000);
            }

            promise = new LifePromise(null, life.Depth + 1);
            return null;
        }
        finally
        {
            lifecycle.Unpin(record);
        }
    }

    private static OperationError UnknownParent(TaskId parent) => new(ErrorCode.NotFound, $"no task {parent} that could be a parent", "parent");

    private async Task<OperationError?> AskAsync(LifeRequest request, int tenant)
    {
        if (table.Find(request.Id) is not { } record || record.Tenant != tenant)
        {
            return TaskService.Unknown(request.Id);
        }

        return await AskAsync(request).ConfigureAwait(false);
    }

    /// <summary>Asks a task to end.</summary>
    internal void Stop(TaskId id, AskedEnd end) => completion.Post(new CompletionCommand(CompletionCommandKind.Stop, Id: id, State: end.State, Cause: end.Cause));

    /// <summary>What a hand-over asks of a task.</summary>
    internal async Task<OperationError?> AskAsync(LifeRequest request)
    {
        completion.Post(new CompletionCommand(CompletionCommandKind.Life, Life: request));
        try
        {
            return await request.Answer.WaitAsync(s_patience);
        }
        catch (TimeoutException)
        {
            return new OperationError(ErrorCode.Unavailable, "the runtime does not answer: it is stopping, or stands still", null, 1000);
        }
    }
}

/// <summary>What was taken for a task before its admission.</summary>
/// <param name="Group">A place in it was promised.</param>
/// <param name="Depth">Tasks above it; 0: it has no parent.</param>
internal readonly record struct LifePromise(TaskGroup? Group, int Depth);
