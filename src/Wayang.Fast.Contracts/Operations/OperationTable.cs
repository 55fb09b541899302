using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>Positions of the fields that describe a task in <see cref="OperationTable.TaskFields"/>.</summary>
public static class TaskField
{
    public const int Kind = 0;
    public const int Image = 1;
    public const int Function = 2;
    public const int Data = 3;
    public const int Argv = 4;
    public const int Env = 5;
    public const int Cwd = 6;
    public const int Stdin = 7;
    public const int Profile = 8;
    public const int Class = 9;
    public const int Priority = 10;
    public const int TimeoutMs = 11;
    public const int Reuse = 12;

    /// <summary>From here on: the terms (<c>TaskTerms</c>), which few tasks have.</summary>
    public const int FirstTerm = 13;
    public const int Limits = 13;
    public const int Retry = 14;
    public const int Deadline = 15;
    public const int DeadlineMs = 16;
    public const int Parent = 17;
    public const int Detached = 18;
    public const int Group = 19;
    public const int IdempotencyKey = 20;
    public const int Inputs = 21;
    public const int Secrets = 22;
    public const int Artifacts = 23;
    public const int Pure = 24;
    public const int Grants = 25;
    public const int Durable = 26;
    public const int Migration = 27;
    public const int Count = 28;
}

/// <summary>
/// Every operation, once. The gateways validate requests by it, the command line and the documentation list it; a new
/// row shows up in all of them.
/// </summary>
public static class OperationTable
{
    /// <summary>The most bytes of one payload; a configuration may lower it.</summary>
    public const int MaxPayloadBytes = 64 << 20;

    /// <summary>The most tasks of one <c>task.submit_many</c>.</summary>
    public const int MaxTasksPerSubmission = 10_000;

    /// <summary>The most modules that an image preloads.</summary>
    public const int MaxPreload = 64;

    /// <summary>The most fields of any operation: the size of the array of slots that a request needs.</summary>
    public const int MaxFields = 40;

    /// <summary>The most items of one list of tasks, workers or incidents.</summary>
    public const int MaxListed = 10_000;

    /// <summary>The longest wait for more output.</summary>
    public const int MaxWaitMs = 600_000;

    private const int MaxName = 255;
    private const int MaxToken = 512;

    /// <summary>Who may look at a task: who runs tasks, and who only watches.</summary>
    private const OperationScopes Seeing = OperationScopes.Read | OperationScopes.Submit | OperationScopes.Operate;
    private const OperationScopes Watching = OperationScopes.Read | OperationScopes.Operate;

    /// <summary>The order of <see cref="TaskKind"/> without None.</summary>
    private static readonly string[] s_kinds = [WireNames.Text(TaskKind.Call), WireNames.Text(TaskKind.Exec)];

    private static readonly RequestMap s_grants = new("grants", [new("connect", FieldType.TextList, "Destinations, HOST:PORT each.") { Min = 1, Max = 32 }]);

    public static IReadOnlyList<RequestField> TaskFields { get; } =
    [
        new("kind", FieldType.Choice, "call: a function of an image; exec: a command.") { Required = true, Choices = s_kinds },
        new("image", FieldType.Text, "Name or sha256 of the image (call); name of one of kind command (exec).") { Min = 1, Max = MaxName },
        new("function", FieldType.Text, "Name of the function in the image (call).") { Min = 1, Max = MaxName },
        new("data", FieldType.Bytes, "Input of the function (call).") { Max = MaxPayloadBytes },
        new("argv", FieldType.TextList, "Program and arguments (exec).") { Min = 1, Max = 4096 },
        new("env", FieldType.Environment, "Environment of the command: {NAME: value} or [NAME=value] (exec).") { Max = 1024 },
        new("cwd", FieldType.Text, "Absolute working directory inside the sandbox, default /tmp (exec).") { Min = 1, Max = 4095 },
        new("stdin", FieldType.Bytes, "Standard input of the command (exec).") { Max = MaxPayloadBytes },
        new("profile", FieldType.Text, "Isolation profile; default: the tightest for the kind.") { Min = 1, Max = MaxName },
        new("class", FieldType.Choice, "Class of priority; default normal, or the class that the priority lies in.")
        {
            Choices = WireNames.All<TaskClass>(),
        },
        new("priority", FieldType.Integer, "Level inside the class: idle 0-7, batch 8-23, normal 24-39, urgent 40-55.") { Max = 63 },
        new("timeout_ms", FieldType.Integer, "From dispatch to the end; 0: the configured default.") { Max = uint.MaxValue },
        new("reuse", FieldType.Choice, "Whether a warm worker of the same tenant may serve it; default tenant.")
        {
            Choices = WireNames.All<WorkerReuse>(),
        },
        LimitFields.Field,
        .. LifeFields.OfTasks,
        FileFields.Inputs,
        FileFields.Secrets,
        FileFields.Artifacts,
        new("pure", FieldType.Flag, "The same on the same input always gives the same: an earlier result may answer it."),
        new("grants", FieldType.Map, "What the task may do beyond its profile's least: {connect: [HOST:PORT, ...]}.") { Map = s_grants },
        LifeFields.Durable,
        LifeFields.Migration,
    ];

    /// <summary>Findings that a caller of node.scan may report.</summary>
    public const int MaxReported = 256;

    private const string CpuMeaning =
        "Processor time, where measured: of commands, calls of Python, and of plugins whose image asks for it (measure: cpu). Of a call it is its worker's word, believed as far as the time allows.";

    private static readonly RequestField s_task = new("task", FieldType.TaskId, "The task's id.") { Required = true };

    private static readonly RequestField s_limit = new("limit", FieldType.Integer, "At most so many; default 100.") { Min = 1, Max = MaxListed };

    private static readonly ResponseField[] s_taskResult =
    [
        new("task", "id", "The task's id."),
        new("state", "text", "succeeded, failed, cancelled, timed_out or rejected."),
        new("cause", "map", "{type, ...}: exit has code, signal has signal, sandbox_violation has what; others detail; exception may have traceback."),
        new("output", "bytes", "Output of a call.", Optional: true),
        new("stdout", "bytes", "Standard output; always there for exec.", Optional: true),
        new("stderr", "bytes", "Standard error; always there for exec.", Optional: true),
        new("stdout_dropped", "integer", "Bytes cut from stdout because of its bound.", Optional: true),
        new("stderr_dropped", "integer", "Bytes cut from stderr because of its bound.", Optional: true),
        new("log", "bytes", "What a call told its log: a line of JSON {time, level, text} each.", Optional: true),
        new("log_dropped", "integer", "Bytes of records cut from the log because of its bound.", Optional: true),
        .. FileFields.Collected,
        new("queue_us", "integer", "Microseconds from submission to dispatch."),
        new("start_us", "integer", "Microseconds from dispatch to running."),
        new("run_us", "integer", "Microseconds from running to the end."),
        new("peak_memory_bytes", "integer", "Where measured.", Optional: true),
        new("cpu_us", "integer", CpuMeaning, Optional: true),
        .. LifeFields.Told,
        new("cached", "boolean", "true: it was answered by the result of an earlier pure task.", Optional: true),
    ];

    private static readonly ResponseField[] s_image =
    [
        new("image", "text", "sha256 of the content; command for a name of commands."),
        new("name", "text", "The name given.", Optional: true),
        new("kind", "text", "c: a C plugin; python: a Python module; command: commands under a profile."),
        new("bytes", "integer", "Size of the content."),
        new("functions", "list of text", "Functions that it registers."),
        new("state", "text", "Whether it is ready to run."),
        new("profile", "text", "Where its commands run (command).", Optional: true),
    ];

    public static Operation TaskRun { get; } = new(
        OperationKind.TaskRun, "task.run", "Runs a task and answers when it ended.", TaskFields, s_taskResult)
    {
        Scopes = OperationScopes.Submit,
    };

    public static Operation TaskSubmit { get; } = new(
        OperationKind.TaskSubmit, "task.submit", "Admits a task and answers with its id.", TaskFields,
        [new("task", "id", "The task's id.")])
    {
        Scopes = OperationScopes.Submit,
    };

    public static IReadOnlyList<Operation> All { get; } =
    [
        TaskRun,
        TaskSubmit,
        new(OperationKind.TaskSubmitMany, "task.submit_many", "Admits many tasks; each gets its id or its error.",
            [new("tasks", FieldType.TaskList, "What task.submit takes, per task.") { Required = true, Min = 1, Max = MaxTasksPerSubmission }],
            [new("tasks", "list of map", "In the order of the request: {task} or {error: {code, message, field?, retry_after_ms?}}.")])
        {
            Scopes = OperationScopes.Submit,
        },
        new(OperationKind.TaskWait, "task.wait", "Answers when the task ended, as task.run does.",
            [s_task, new("timeout_ms", FieldType.Integer, "Gives up with wait_timeout; absent: waits on.") { Max = uint.MaxValue - 1L }],
            s_taskResult)
        {
            Scopes = Seeing,
        },
        new(OperationKind.TaskGet, "task.get", "What is known of a task, without payloads.", [s_task],
        [
            new("task", "id", "The task's id."),
            new("kind", "text", "call or exec."),
            new("state", "text", "Where it stands."),
            new("cause", "map", "As in task.run, once it ended.", Optional: true),
            new("class", "text", "Class of its priority."),
            new("priority", "integer", "0-63."),
            new("image", "text", "Its image (call).", Optional: true),
            new("function", "text", "Its function (call).", Optional: true),
            new("submitted", "time", "ISO 8601."),
            new("ended", "time", "ISO 8601.", Optional: true),
            new("queue_us", "integer", "Microseconds from submission to dispatch."),
            new("start_us", "integer", "Microseconds from dispatch to running."),
            new("run_us", "integer", "Microseconds from running to the end."),
            new("peak_memory_bytes", "integer", "0 where not measured; of a running command, what it was seen to use so far."),
            new("cpu_us", "integer", CpuMeaning + " Else 0."),
            new("output_bytes", "integer", "Bytes kept of the output."),
            new("stdout_bytes", "integer", "Bytes kept of stdout."),
            new("stderr_bytes", "integer", "Bytes kept of stderr."),
            new("log_bytes", "integer", "Bytes kept of the log."),
            new("limits", "map", "What it asked to be limited to, as in task.run; not_enforced lists those that this host cannot, disk_place says where disk_bytes lie.", Optional: true),
            .. FileFields.Collected,
            new("progress", "map", "{percent?, text}: the last that the task told.", Optional: true),
            .. LifeFields.Told,
            new("grants", "list of text", "What it was granted, as connect=HOST:PORT.", Optional: true),
        ])
        {
            Scopes = Seeing,
        },
        new(OperationKind.TaskCancel, "task.cancel", "Asks a task to stop; doing it twice does no harm.", [s_task],
            [new("task", "id", "The task's id.")])
        {
            Scopes = OperationScopes.Submit | OperationScopes.Operate,
        },
        new(OperationKind.TaskOutput, "task.output", "A piece of what a task wrote, also while it runs.",
            [
                s_task,
                new("stream", FieldType.Choice, "Default output.") { Choices = ["output", "stdout", "stderr", "log"] },
                new("offset", FieldType.Integer, "From which byte; default 0."),
                new("max_bytes", FieldType.Integer, "At most so many; default 1 MiB.") { Min = 1, Max = MaxPayloadBytes },
                new("wait_ms", FieldType.Integer, "Where nothing stands behind the offset: waits so long for more, or for the end; default 0.") { Max = MaxWaitMs },
            ],
            [
                new("data", "bytes", "The piece."),
                new("offset", "integer", "Where it begins."),
                new("total_bytes", "integer", "Bytes kept so far."),
                new("dropped_bytes", "integer", "Bytes cut because of the bound."),
                new("ended", "boolean", "The task ended: nothing will be added."),
            ])
        {
            Scopes = Seeing,
        },
        new(OperationKind.ImagePut, "image.put", "Stores an image by content; answers when it is ready to run.",
            [
                new("kind", FieldType.Text, "c: a C plugin (a shared object); python: a Python module (UTF-8 source).") { Required = true, Min = 1, Max = 16 },
                new("data", FieldType.Bytes, "The file's content.") { Required = true, Min = 1, Max = MaxPayloadBytes },
                new("name", FieldType.Text, "An optional name; a later put of the name replaces it.") { Min = 1, Max = 63 },
                new("preload", FieldType.TextList, "Modules that are imported before the first call (python).") { Max = MaxPreload },
                new("file", FieldType.Text, "Name of the file, shown in tracebacks; default image.py (python).") { Min = 1, Max = 63 },
            ],
            s_image)
        {
            Scopes = OperationScopes.Images,
            IsAudited = true,
        },
        new(OperationKind.ImageList, "image.list", "The tenant's images.", [],
            [new("images", "list of map", "As image.put answers.")])
        {
            Scopes = OperationScopes.All,
        },
        new(OperationKind.NodeInfo, "node.info", "What this node is and can do.", [],
        [
            new("node", "text", "Its name."),
            new("version", "text", "Of the runtime."),
            new("started", "time", "ISO 8601."),
            new("root", "boolean", "Whether the spawner has root."),
            new("cgroup_mode", "text", "v1, v2 or none."),
            new("features", "list of text", "What works here."),
            new("note", "text", "What does not, and why."),
            new("limits", "map", "Name to number."),
            new("profiles", "map", "Name to {files, own_root, kinds, network, destinations, inherits?}: what tasks choose from."),
        ])
        {
            Scopes = OperationScopes.All,
        },
        new(OperationKind.NodeStats, "node.stats", "Counters since the start, gauges and latency quantiles.", [],
            [new("values", "map", "Name to integer.")])
        {
            Scopes = OperationScopes.All,
        },
        new(OperationKind.SessionOpen, "session.open", "Says who calls: the first request over TCP. On a unix socket the kernel has said it already.",
            [new("token", FieldType.Text, "As 'wayang token create' printed it.") { Required = true, Min = 1, Max = MaxToken }],
            [
                new("identity", "text", "Who the node takes the caller for."),
                new("tenant", "integer", "Whose tasks and images it sees."),
                new("scopes", "list of text", "Some of read, submit, images, operate, admin."),
            ])
        {
            Scopes = OperationScopes.All | OperationScopes.Peer,
        },
        new(OperationKind.TaskList, "task.list", "Tasks in a state, those that have been in it longest first.",
            [
                new("state", FieldType.Choice, "Default: all that have not ended.") { Choices = [.. WireNames.All<TaskState>().Skip((int)TaskState.Queued)] },
                s_limit,
                PageFields.Cursor,
            ],
            [new("tasks", "list of map", "As task.get answers."), PageFields.Next])
        {
            Scopes = Seeing,
        },
        new(OperationKind.WorkerList, "worker.list", "Call workers, the busy ones first.", [s_limit],
            [new("workers", "list of map", "{worker, pid, image, profile, reuse, state: starting | idle | busy | leaving, in_flight, calls, age_ms, idle_ms, memory_bytes, cpu_us}; the last two as the supervisor saw them last, 0 where not measured.")])
        {
            Scopes = Watching,
        },
        new(OperationKind.PoolList, "pool.list", "Pools: the workers of one image, profile and kind of reuse.", [],
            [new("pools", "list of map", "{image, kind: call | command, profile, reuse, state, queued, free_slots, workers, busy, starting, max_workers, wanted, idle, recycled, warmed, warmed_used, warmed_unused}: wanted is what its load asks for, warmed what was started for calls that were expected.")])
        {
            Scopes = Watching,
        },
        new(OperationKind.NodeIncidents, "node.incidents", "What went wrong and was seen to by the node itself, the newest first; 256 are remembered.", [s_limit],
            [
                new("incidents", "list of map",
                    "{kind: heal | thread_stalled | worker_unresponsive | spawner_lost | zygote_lost | gc_pause | scan_finding | connection_refused | clock_jump, at, pool, reason, duration_us}."),
            ])
        {
            Scopes = Watching,
        },
        new(OperationKind.NodeScan, "node.scan", "Compares each running worker with its profile from outside, now; one that is something else is killed.",
            [
                new("reported", FieldType.TextList, "What the caller found in files, a line each, critical: or warning: first: kept as incidents and events.") { Min = 1, Max = MaxReported },
            ],
            [
                new("workers", "integer", "Workers that were looked at."),
                new("processes", "integer", "Processes of theirs."),
                new("untold", "integer", "Findings beyond 256."),
                new("findings", "list of map", "{severity: warning | critical, where, what, remedy}."),
            ])
        {
            Scopes = OperationScopes.Operate,
            IsAudited = true,
        },
        .. LifeFields.Operations,
        new(OperationKind.TaskArtifact, "task.artifact", "A piece of a file that a task left in out/.",
            [
                s_task,
                new("name", FieldType.Text, "As task.get lists it.") { Required = true, Min = 1, Max = 1024 },
                new("offset", FieldType.Integer, "From which byte; default 0."),
                new("max_bytes", FieldType.Integer, "At most so many; default 1 MiB.") { Min = 1, Max = MaxPayloadBytes },
            ],
            [
                new("data", "bytes", "The piece."),
                new("offset", "integer", "Where it begins."),
                new("bytes", "integer", "Of the whole file."),
                new("sha256", "text", "Of the whole file."),
            ])
        {
            Scopes = Seeing,
        },
        new(OperationKind.TaskExplain, "task.explain", "Why a task waits, or was placed as it was, in one paragraph.", [s_task],
            [
                new("task", "id", "The task's id."),
                new("state", "text", "Where it stands."),
                new("text", "text", "The paragraph."),
            ])
        {
            Scopes = Seeing,
        },
        new(OperationKind.TenantList, "tenant.list", "What tenants may have and what they had: the default tenant (id 0) is told of all, another one of itself.", [],
            [new("tenants", "list of map", "{name, id, weight, max_running, max_queued, max_queued_bytes, highest_class, running, queued, finished, slot_us, refused}; a bound of 0 is none; slot_us: how long their tasks held slots of the node, which is what weights share out.")])
        {
            Scopes = Watching,
        },
        .. EventFields.Operations,
        .. WebhookFields.Operations,
        PeerFields.List,
        HandoverFields.Migrate,
        HandoverFields.Drain,
    ];

    /// <summary>Finds an operation by the bytes of its name; null when there is none.</summary>
    public static Operation? Find(ReadOnlySpan<byte> name) => Find(s_all, name);

    /// <summary>The same of <see cref="PeerFields.BetweenNodes"/>, which MessagePack-RPC alone serves.</summary>
    public static Operation? FindBetweenNodes(ReadOnlySpan<byte> name) => Find(s_betweenNodes, name);

    private static Operation? Find(Operation[] all, ReadOnlySpan<byte> name)
    {
        foreach (var operation in all)
        {
            if (name.SequenceEqual(operation.Utf8Name))
            {
                return operation;
            }
        }

        return null;
    }

    private static readonly Operation[] s_all = [.. All];
    private static readonly Operation[] s_betweenNodes = [.. PeerFields.BetweenNodes];
}
