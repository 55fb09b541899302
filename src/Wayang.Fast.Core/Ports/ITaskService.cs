using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What every front door calls: one set of operations over the node's tasks. Implemented by Execution, used by the
/// gateway's adapters and by in-process callers. All members are thread-safe and none blocks, except the tasks returned
/// by the image operations.
/// </summary>
public interface ITaskService
{
    /// <summary>
    /// Resolves image, function, profile and tenant to a target that <see cref="Submit"/> takes. Cold (may allocate);
    /// callers cache the result per distinct quadruple. A target stays valid until <see cref="CallTarget.IsStale"/>.
    /// </summary>
    /// <param name="request">Names as they came over the wire.</param>
    /// <param name="target">The target; null when refused.</param>
    OperationError? Resolve(in TargetRequest request, out CallTarget? target);

    /// <summary>
    /// Admits a task. Hot: no allocation for payloads up to 48 bytes. Dispatches on the calling thread when it can.
    /// </summary>
    /// <param name="submission">The task; spans are copied before the call returns.</param>
    /// <param name="observer">Told the end exactly once, on a thread of the runtime's (or on the calling thread, before this
    /// method returns, when the task ends at once); null when nobody waits.</param>
    /// <param name="token">Handed to the observer.</param>
    /// <param name="id">The task's id when admitted; the default one when a durable task's receipt will tell it.</param>
    /// <returns>Null when admitted. A durable task without observer and receipt is stored when this returns: the caller waits.</returns>
    OperationError? Submit(in TaskSubmission submission, ITaskObserver? observer, long token, out TaskId id);

    /// <summary>Tasks are durable unless they say that they are not.</summary>
    bool StoresByDefault => false;

    /// <summary>Registers <paramref name="observer"/> for the end of a task; at once, on this thread, when it has ended.</summary>
    OperationError? Wait(TaskId id, int tenant, ITaskObserver observer, long token);

    /// <summary>Withdraws a <see cref="Wait"/> (or the observer of a submission); returns false when it was already told.</summary>
    bool Forget(TaskId id, ITaskObserver observer, long token);

    /// <summary>Asks a task to stop: flag, then SIGTERM (commands), then kill. Idempotent.</summary>
    OperationError? Cancel(TaskId id, int tenant);

    /// <summary>A copy of what is known of a task, without payloads.</summary>
    OperationError? Get(TaskId id, int tenant, out TaskSnapshot? snapshot);

    /// <summary>Copies up to <paramref name="buffer"/>.Length bytes of a stream of a task, from an offset.</summary>
    OperationError? ReadOutput(TaskId id, int tenant, OutputStream stream, long offset, Span<byte> buffer, out OutputChunk chunk);

    /// <summary>
    /// Tells <paramref name="observer"/> once, when bytes are added to the stream or the task ends. Nothing is told of what was there
    /// before, nor of a task that has ended: read after registering.
    /// </summary>
    OperationError? WatchOutput(TaskId id, int tenant, OutputStream stream, IStreamObserver observer);

    /// <summary>Withdraws a <see cref="WatchOutput"/>; it may be told yet, if its moment has come.</summary>
    void ForgetOutput(TaskId id, IStreamObserver observer);

    /// <summary>An artifact of an ended task.</summary>
    OperationError? ReadArtifact(TaskId id, int tenant, string name, out TaskArtifact? artifact);

    /// <summary>Stores an image by content and loads it; completes when it is ready to run.</summary>
    Task<(ImageDescription? Image, OperationError? Error)> PutImageAsync(ImageUpload upload, CancellationToken cancellation);

    IReadOnlyList<ImageDescription> ListImages(int tenant);

    NodeDescription DescribeNode();

    NodeStatistics ReadStatistics();
}

/// <summary>
/// Told when a task ends. Called on the completion thread: must not block, allocate per call, or throw. A result of more than
/// 64 KiB is told on a thread of the pool instead, each as a batch of its own. The record is valid only during the call.
/// </summary>
public interface ITaskObserver
{
    void OnTaskEnded(ITaskView task, long token);

    /// <summary>After the last of a batch of ends, once for each observer that was told one: the moment to flush coalesced replies.</summary>
    void OnBatchEnd();

    /// <summary>
    /// Instead of <see cref="OnTaskEnded"/>: there is no such task, or it could not be stored. Only where durable tasks are kept; on a
    /// thread of the runtime's.
    /// </summary>
    void OnRefused(TaskId id, OperationError refusal, long token)
    {
        OnTaskEnded(new RefusedTask(id, refusal), token);
        OnBatchEnd();
    }
}

/// <summary>Told when a stream grew or its task ended. Called on a thread of the runtime's: must not block or throw.</summary>
public interface IStreamObserver
{
    void OnOutput();
}

/// <summary>What an observer may read of an ended task, without copies.</summary>
public interface ITaskView
{
    TaskId Id { get; }
    TaskKind Kind { get; }
    TaskState State { get; }
    TaskCause Cause { get; }

    /// <summary>Output of a call.</summary>
    StreamBytes Output { get; }
    StreamBytes Stdout { get; }
    StreamBytes Stderr { get; }

    /// <summary>Records of a call, one JSON object a line: time, level, text.</summary>
    StreamBytes Log => default;

    /// <summary>Bytes that were cut from each stream because of its bound.</summary>
    long StdoutDropped { get; }
    long StderrDropped { get; }
    long LogDropped => 0;

    /// <summary>Null: it asked for none, or left none before it was lost.</summary>
    TaskArtifacts? Artifacts => null;

    /// <summary>Microseconds: submit to dispatch, dispatch to running, running to end.</summary>
    long QueueMicroseconds { get; }
    long StartMicroseconds { get; }
    long RunMicroseconds { get; }
    ulong PeakMemoryBytes { get; }
    ulong CpuMicroseconds { get; }

    /// <summary>Its attempts and the like; null for tasks without.</summary>
    TaskLifeFacts? Life => null;
    /// <summary>Answered by the result of an earlier pure task.</summary>
    bool FromCache => false;
}

/// <summary>Names to resolve. Empty spans mean "not given".</summary>
public readonly ref struct TargetRequest
{
    public TaskKind Kind { get; init; }

    /// <summary>Image name or sha256 (calls); name of an image of kind command, or nothing (commands).</summary>
    public ReadOnlySpan<byte> Image { get; init; }
    public ReadOnlySpan<byte> Function { get; init; }
    public ReadOnlySpan<byte> Profile { get; init; }
    public int Tenant { get; init; }
    public WorkerReuse Reuse { get; init; }

    /// <summary>Null: none.</summary>
    public TaskGrants? Grants { get; init; }
}

/// <summary>A resolved target: a pool and a function. Made by <see cref="ITaskService.Resolve"/>.</summary>
public abstract class CallTarget
{
    /// <summary>The pool died or the image was replaced: resolve again.</summary>
    public abstract bool IsStale { get; }
    public abstract TaskKind Kind { get; }
    public abstract int Tenant { get; }
}

/// <summary>A task to admit.</summary>
public readonly ref struct TaskSubmission
{
    public CallTarget Target { get; init; }

    /// <summary>Input of a call; standard input of a command.</summary>
    public ReadOnlySpan<byte> Data { get; init; }

    /// <summary>0-63; see <see cref="TaskClass"/>. Levels 56-63 are refused from front doors.</summary>
    public byte Level { get; init; }

    /// <summary>Milliseconds from dispatch to the end; 0 = the configured default.</summary>
    public uint TimeoutMs { get; init; }

    /// <summary>Commands only.</summary>
    public CommandLine? Command { get; init; }

    /// <summary>Null: none.</summary>
    public TaskTerms? Terms { get; init; }

    /// <summary>Told whether a durable task was stored; null: the observer's call says so, or the submitter waits.</summary>
    public ISubmissionReceipt? Receipt { get; init; }

    /// <summary>Handed to the receipt.</summary>
    public long ReceiptToken { get; init; }
}

/// <summary>
/// Told once what became of a durable submission that <see cref="ITaskService.Submit"/> took without an id. Called on a thread of the
/// runtime's, maybe before Submit returns: must not block or throw.
/// </summary>
public interface ISubmissionReceipt
{
    /// <summary>It is stored: it will not be lost.</summary>
    void OnStored(TaskId id, long token);

    /// <summary>It is not, and there is no such task.</summary>
    void OnRefused(OperationError refusal, long token);
}

/// <summary>What a command runs. Immutable; strings hold no NUL.</summary>
/// <param name="Arguments">argv, at least one; the first is found through PATH inside the sandbox.</param>
/// <param name="Environment">NAME=value; replaces the small default environment's entries of the same name.</param>
/// <param name="WorkingDirectory">Absolute inside the sandbox, or null for /tmp.</param>
public sealed record CommandLine(IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment, string? WorkingDirectory);

/// <summary>What an image gives its commands: the command's own goes before it.</summary>
/// <param name="Environment">NAME=value.</param>
/// <param name="WorkingDirectory">Absolute; null: /tmp.</param>
public sealed record CommandDefaults(IReadOnlyList<string> Environment, string? WorkingDirectory);

public enum OutputStream : byte
{
    Output = 0,
    Stdout = 1,
    Stderr = 2,
    Log = 3,
}

/// <param name="Count">Bytes copied.</param>
/// <param name="Total">Bytes kept of the stream so far.</param>
/// <param name="Dropped">Bytes cut because of the bound.</param>
/// <param name="Ended">The task has ended: nothing will be added.</param>
public readonly record struct OutputChunk(int Count, long Total, long Dropped, bool Ended);

/// <summary>A copy of a task's facts; times are ISO 8601 on the wire.</summary>
public sealed record TaskSnapshot(
    TaskId Id,
    TaskKind Kind,
    TaskState State,
    TaskCause Cause,
    byte Level,
    int Tenant,
    string Image,
    string Function,
    DateTimeOffset Submitted,
    DateTimeOffset? Ended,
    long QueueMicroseconds,
    long StartMicroseconds,
    long RunMicroseconds,
    ulong PeakMemoryBytes,
    ulong CpuMicroseconds,
    int OutputBytes,
    int StdoutBytes,
    int StderrBytes)
{
    /// <summary>What it asked for; null: nothing.</summary>
    public TaskLimits? Limits { get; init; }

    /// <summary>Names of those that this host does not enforce.</summary>
    public IReadOnlyList<string> LimitsNotEnforced { get; init; } = [];

    /// <summary>Where the writable space that it asked for lies: disk or memory; empty: it asked for none.</summary>
    public string DiskPlace { get; init; } = string.Empty;

    /// <summary>The last that the task told; null: nothing.</summary>
    public TaskProgress? Progress { get; init; }

    /// <summary>Its attempts, group, parent and the like; null for tasks without.</summary>
    public TaskLifeFacts? Life { get; init; }

    public int LogBytes { get; init; }
    public TaskArtifacts? Artifacts { get; init; }

    /// <summary>What it was granted, as connect=HOST:PORT.</summary>
    public IReadOnlyList<string> Grants { get; init; } = [];
}

/// <summary>An image to store.</summary>
/// <param name="Kind">"c" for a C plugin, "python" for a Python module; "command" (no data) for a name of commands under a profile.</param>
/// <param name="Data">The file's content; owned by the callee from now on.</param>
/// <param name="Name">An optional name, [A-Za-z0-9._-]{1,63}, unique per tenant; a later put of the name replaces it.</param>
/// <param name="Tenant">Whose it is.</param>
public sealed record ImageUpload(string Kind, ReadOnlyMemory<byte> Data, string? Name, int Tenant)
{
    /// <summary>Python modules that are imported before the first worker is forked; part of the image's identity.</summary>
    public IReadOnlyList<string> Preload { get; init; } = [];

    /// <summary>The profile of tasks that name this image and no profile; null: the default of the kind.</summary>
    public string? Profile { get; init; }

    /// <summary>Of kind command: what its commands have where they say nothing.</summary>
    public CommandDefaults? Defaults { get; init; }

    /// <summary>Name of a Python module's file, for its tracebacks; null: image.py.</summary>
    public string? FileName { get; init; }

    /// <summary>Whether the processor time of each of its calls is measured, by workers that start from now on; null: as before, or as is usual for its kind.</summary>
    public bool? MeasuresCpu { get; init; }
}

/// <param name="Image">sha256 in lower-case hex; "command" for a name of commands.</param>
public sealed record ImageDescription(string Image, string? Name, string Kind, long Bytes, IReadOnlyList<string> Functions, string State)
{
    /// <summary>Of a name of commands: where they run. Null for others.</summary>
    public string? Profile { get; init; }
}

public sealed record NodeDescription(
    string Node,
    string Version,
    DateTimeOffset Started,
    bool Root,
    string CgroupMode,
    IReadOnlyList<string> Features,
    string Note,
    IReadOnlyDictionary<string, long> Limits)
{
    /// <summary>What the policy lets tasks choose from; empty until a spawner has answered.</summary>
    public IReadOnlyList<ProfileDescription> Profiles { get; init; } = [];
}

/// <summary>An isolation profile of the node's policy.</summary>
/// <param name="Name">As tasks name it.</param>
/// <param name="HasFiles">False: an empty root.</param>
/// <param name="HasOwnRoot">The root is a directory that the operator gave, not parts of the host's.</param>
/// <param name="Kinds">The kinds of task that can run under it: "call", "exec".</param>
public sealed record ProfileDescription(string Name, bool HasFiles, bool HasOwnRoot, IReadOnlyList<string> Kinds)
{
    /// <summary>none, loopback, granted or host.</summary>
    public string Network { get; init; } = "none";

    /// <summary>The most that its tasks may be granted, HOST:PORT each.</summary>
    public IReadOnlyList<string> Destinations { get; init; } = [];

    /// <summary>The profile that a configuration made it tighter of; null: the policy's own.</summary>
    public string? Inherits { get; init; }

    /// <summary>Null: not told.</summary>
    public ProfileLimits? Most { get; init; }
}

/// <summary>The most that a profile allows one task.</summary>
/// <param name="CpuMilli">0: no cap.</param>
/// <param name="CpuWeight">Per cent of the class's weight.</param>
/// <param name="DiskBytes">0: its tasks have no files.</param>
/// <param name="UsualDiskBytes">Writable space of a task that asks for none.</param>
public sealed record ProfileLimits(long MemoryBytes, long DiskBytes, long UsualDiskBytes, int Pids, int CpuMilli, int CpuWeight)
{
    /// <summary>Of each disk; 0: no limit.</summary>
    public IoRates Io { get; init; }
}

/// <summary>Counters since the start and gauges of now. Latency quantiles in microseconds.</summary>
public sealed record NodeStatistics(IReadOnlyDictionary<string, long> Values);
