using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Positions in the map <c>retry</c>.</summary>
public static class RetryField
{
    public const int MaxAttempts = 0;
    public const int BackoffMs = 1;
    public const int MaxBackoffMs = 2;
    public const int MultiplierPercent = 3;
    public const int JitterPercent = 4;
    public const int On = 5;
    public const int Count = 6;
}

/// <summary>The terms of a task's life: rows of <see cref="OperationTable.TaskFields"/>, and what is told of them.</summary>
public static class LifeFields
{
    public const int DefaultBackoffMs = 1_000;
    public const int DefaultMaxBackoffMs = 60_000;
    public const int DefaultMultiplierPercent = 200;
    public const int DefaultJitterPercent = 20;

    public static RequestField Retry { get; } =
        new("retry", FieldType.Map, "Another attempt when one fails: {max_attempts, backoff_ms?, max_backoff_ms?, multiplier_percent?, jitter_percent?, on?}.")
        {
            Map = new RequestMap("retry",
            [
                new("max_attempts", FieldType.Integer, "Attempts in all, the first counted.") { Required = true, Min = 1, Max = 100 },
                new("backoff_ms", FieldType.Integer, "Pause after the first attempt; default 1000.") { Max = 86_400_000 },
                new("max_backoff_ms", FieldType.Integer, "No pause is longer; default 60000.") { Max = 86_400_000 },
                new("multiplier_percent", FieldType.Integer, "Each pause is so much of the one before: 100 keeps it, 200 (default) doubles it.") { Min = 100, Max = 1_000 },
                new("jitter_percent", FieldType.Integer, "A pause is shortened at random by up to so much; default 20.") { Max = 100 },
                new("on", FieldType.TextList, "Causes that are retried: exit, signal, exception, out_of_memory, timeout, disk_quota, worker_lost; default: all of them.") { Min = 1, Max = 16 },
            ]),
        };

    /// <summary>The longest name of a group, and the longest idempotency key, in bytes.</summary>
    public const int MaxName = 128;

    public static RequestField Durable { get; } = new(
        "durable", FieldType.Flag, "true: stored before it is acknowledged, and its end before that is told; it outlives a restart of the node. Default: ledger.durable_by_default.");

    /// <summary>The last of the task's fields.</summary>
    public static RequestField Migration { get; } = new(
        "migration", FieldType.Choice, "What task.checkpoint, task.migrate and node.drain do to it while it runs (call): it is written down and goes on from there, is ended and begins anew, is asked to save its state and to yield and goes on from that (commands, too), or is refused; default transparent.")
    {
        Choices = WireNames.All<TaskMigration>(),
    };

    /// <summary>In the order of <see cref="TaskField"/>.</summary>
    public static IReadOnlyList<RequestField> OfTasks { get; } =
    [
        Retry,
        new("deadline", FieldType.Text, "ISO 8601 time with an offset or Z at which the task is stopped, whether it waits or runs.") { Min = 1, Max = 64 },
        new("deadline_ms", FieldType.Integer, "The same, in milliseconds from now.") { Min = 1, Max = 366L * 86_400_000 },
        new("parent", FieldType.TaskId, "A task that has not ended: when it does, this one is cancelled."),
        new("detached", FieldType.Choice, "yes: only the parent's cancel ends this task, not its other ends; default no.") { Choices = ["no", "yes"] },
        new("group", FieldType.Text, "A name of the tenant's, for group.get, group.cancel and group.wait.") { Min = 1, Max = MaxName },
        new("idempotency_key", FieldType.Text, "The same key with the same parameters is the same task; with others it is refused.") { Min = 1, Max = MaxName },
    ];

    private static readonly RequestField s_task = new("task", FieldType.TaskId, "The task's id.") { Required = true };

    private static readonly RequestField s_group = new("group", FieldType.Text, "The group's name.") { Required = true, Min = 1, Max = MaxName };

    private static readonly ResponseField[] s_id = [new("task", "id", "The task's id.")];

    private static readonly ResponseField[] s_states =
    [
        new("group", "text", "Its name."),
        new("states", "map", "State to number of tasks; ended ones since the group began."),
    ];

    public static IReadOnlyList<Operation> Operations { get; } =
    [
        new(OperationKind.TaskPause, "task.pause", "Holds a queued task, or stops the processes of a running command; its timeout stands still, a deadline does not.",
            [s_task], s_id)
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
            IsAudited = true,
        },
        new(OperationKind.TaskResume, "task.resume", "Lets a paused task go on.", [s_task], s_id)
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
            IsAudited = true,
        },
        new(OperationKind.TaskCheckpoint, "task.checkpoint", "Writes a running call into a file of the node and gives its place back; the task is paused, and goes on from there when it is resumed.", [s_task], s_id)
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
            IsAudited = true,
        },
        new(OperationKind.TaskUpdate, "task.update", "Changes what a queued task waits as; refused once it was started.",
            [
                s_task,
                new("class", FieldType.Choice, "Class of priority.") { Choices = WireNames.All<Tasks.TaskClass>() },
                new("priority", FieldType.Integer, "Level inside the class.") { Max = 63 },
                new("timeout_ms", FieldType.Integer, "From dispatch to the end.") { Min = 1, Max = uint.MaxValue },
            ],
            s_id)
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
            IsAudited = true,
        },
        new(OperationKind.GroupGet, "group.get", "How many tasks of a group are in each state.", [s_group], s_states)
        {
            Scopes = OperationScopes.Read | OperationScopes.Submit | OperationScopes.Operate,
        },
        new(OperationKind.GroupList, "group.list", "The tenant's groups, by their names; one is remembered for a while after its last task ended.",
            [new("limit", FieldType.Integer, "At most so many; default 100.") { Min = 1, Max = OperationTable.MaxListed }, PageFields.Cursor],
            [new("groups", "list of map", "{group, live: tasks that have not ended, ended: state to number of tasks since the group began}."), PageFields.Next])
        {
            Scopes = OperationScopes.Read | OperationScopes.Submit | OperationScopes.Operate,
        },
        new(OperationKind.GroupCancel, "group.cancel", "Asks all tasks of a group that have not ended to stop.", [s_group],
            [new("group", "text", "Its name."), new("asked", "integer", "Tasks that were asked.")])
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
            IsAudited = true,
        },
        new(OperationKind.GroupWait, "group.wait", "Answers when no task of the group is left that has not ended.",
            [s_group, new("timeout_ms", FieldType.Integer, "Gives up with wait_timeout; default an hour.") { Min = 1, Max = 86_400_000 }],
            s_states)
        {
            Scopes = OperationScopes.Read | OperationScopes.Submit | OperationScopes.Operate,
        },
    ];

    /// <summary>What <c>task.get</c>, <c>task.list</c> and ends tell of it; absent for tasks without.</summary>
    public static IReadOnlyList<ResponseField> Told { get; } =
    [
        new("attempt", "integer", "The attempt that runs, ran last or comes next, of a task with a retry, or that gave its place back to begin another.", Optional: true),
        new("max_attempts", "integer", "Of its retry.", Optional: true),
        new("attempts", "list of map", "Earlier attempts: {attempt, state, cause, run_us}; of many the last 16.", Optional: true),
        new("retry_at", "time", "When the next attempt is queued, while it is waited for.", Optional: true),
        new("paused", "boolean", "True while it is paused.", Optional: true),
        new("preemption", "map", "Of a task that was frozen for a higher class: how often (times), for how long (frozen_us), the task that got its slot last (by), why it was this one (reason), since when it is frozen now (since).", Optional: true),
        new("checkpoint", "map", "Of a task that was written down: the file on its node (file), its size (bytes), when (at), why it could not go on from it when that was last tried (failure).", Optional: true),
        new("saved", "map", "What it saved for its next attempt: the size (bytes), when (at), how often it has saved (times).", Optional: true),
        new("moves", "map", "Of a call that was moved between nodes: where it is now (node; absent: where it was submitted), moves so far (times), of the last one the size (bytes), how long its call did nothing (pause_us) and when it went on (at).", Optional: true),
        new("home", "text", "Of a call that only visits this node: the node whose task it is, and which is to be asked.", Optional: true),
        new("deadline", "time", "When it is stopped.", Optional: true),
        new("group", "text", "Its group.", Optional: true),
        new("parent", "id", "Its parent.", Optional: true),
        new("durable", "boolean", "true: it is stored, and outlives a restart of the node.", Optional: true),
    ];
}
