using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>What <c>task.run</c>, <c>task.submit</c> and <c>task.submit_many</c> take.</summary>
public sealed partial record TaskSpec
{
    public required TaskKind Kind { get; init; }

    /// <summary>Name or sha256 (calls); name of an image of kind command, or null (commands).</summary>
    public string? Image { get; init; }

    public string? Function { get; init; }

    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Program and arguments (commands).</summary>
    public IReadOnlyList<string>? Arguments { get; init; }

    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    public string? WorkingDirectory { get; init; }

    public ReadOnlyMemory<byte> Stdin { get; init; }

    public string? Profile { get; init; }

    public TaskClass? Class { get; init; }

    public int? Priority { get; init; }

    /// <summary>Null: the node's default.</summary>
    public TimeSpan? Timeout { get; init; }

    public WorkerReuse Reuse { get; init; }

    /// <summary>Null: as the node is configured.</summary>
    public TaskLimits? Limits { get; init; }
    /// <summary>Files put into the working directory (commands).</summary>
    public IReadOnlyList<TaskInput> Inputs { get; init; } = [];

    /// <summary>Read at /run/secrets/NAME (commands).</summary>
    public IReadOnlyDictionary<string, ReadOnlyMemory<byte>>? Secrets { get; init; }

    /// <summary>Whether what is left in out/ is collected (commands).</summary>
    public ArtifactLimits? Artifacts { get; init; }

    /// <summary>The same on the same input always gives the same: an earlier result may answer it.</summary>
    public bool Pure { get; init; }

    /// <summary>Where it may connect to, HOST:PORT each, as far as its profile allows.</summary>
    public IReadOnlyList<string> GrantedConnections { get; init; } = [];

    public static TaskSpec Call(string image, string function, ReadOnlyMemory<byte> data = default) =>
        new() { Kind = TaskKind.Call, Image = image, Function = function, Data = data };

    public static TaskSpec Command(params IReadOnlyList<string> arguments) =>
        new() { Kind = TaskKind.Exec, Arguments = arguments };
}

/// <summary>How a task ended.</summary>
public sealed record TaskResult(
    TaskId Id,
    TaskState State,
    TaskCause Cause,
    ReadOnlyMemory<byte> Output,
    ReadOnlyMemory<byte> Stdout,
    ReadOnlyMemory<byte> Stderr,
    long StdoutDropped,
    long StderrDropped,
    long QueueMicroseconds,
    long StartMicroseconds,
    long RunMicroseconds,
    ulong PeakMemoryBytes,
    ulong CpuMicroseconds)
{
    /// <summary>Its attempts and the like; null for tasks without.</summary>
    public TaskLifeFacts? Life { get; init; }

    /// <summary>What a call told its log: one JSON object a line.</summary>
    public ReadOnlyMemory<byte> Log { get; init; }

    public long LogDropped { get; init; }

    /// <summary>Null: none were asked for.</summary>
    public ArtifactList? Artifacts { get; init; }

    public bool Succeeded => State == TaskState.Succeeded;

    /// <summary>Answered by the result of an earlier pure task.</summary>
    public bool Cached { get; init; }
}

/// <summary>One answer of <c>task.submit_many</c>: an id or an error.</summary>
public readonly record struct SubmitOutcome(TaskId Id, OperationError? Error);

/// <summary>What <c>task.get</c> answers.</summary>
public sealed record TaskInfo(
    TaskId Id,
    TaskKind Kind,
    TaskState State,
    TaskCause Cause,
    TaskClass Class,
    int Priority,
    string Image,
    string Function,
    DateTimeOffset Submitted,
    DateTimeOffset? Ended,
    long QueueMicroseconds,
    long StartMicroseconds,
    long RunMicroseconds,
    ulong PeakMemoryBytes,
    ulong CpuMicroseconds,
    long OutputBytes,
    long StdoutBytes,
    long StderrBytes)
{
    public long LogBytes { get; init; }

    /// <summary>What it asked for; null: nothing.</summary>
    public TaskLimits? Limits { get; init; }

    /// <summary>Names of limits that its node's host does not enforce.</summary>
    public IReadOnlyList<string> LimitsNotEnforced { get; init; } = [];

    /// <summary>Where the writable space that it asked for lies: disk or memory; empty: it asked for none.</summary>
    public string DiskPlace { get; init; } = string.Empty;

    /// <summary>Null: none were asked for, or it has not ended.</summary>
    public ArtifactList? Artifacts { get; init; }

    /// <summary>The last that the task told; null: nothing.</summary>
    public TaskProgress? Progress { get; init; }

    /// <summary>Its attempts and the like; null for tasks without.</summary>
    public TaskLifeFacts? Life { get; init; }

    /// <summary>What it was granted, as connect=HOST:PORT.</summary>
    public IReadOnlyList<string> Grants { get; init; } = [];
}

/// <summary>The streams of <c>task.output</c>.</summary>
public enum TaskStream : byte
{
    Output = 0,
    Stdout = 1,
    Stderr = 2,

    /// <summary>Structured records of a call: one JSON object a line.</summary>
    Log = 3,
}

/// <summary>What <c>task.output</c> answers.</summary>
public sealed record OutputPiece(ReadOnlyMemory<byte> Data, long Offset, long TotalBytes, long DroppedBytes, bool Ended);

/// <summary>What <c>image.put</c> and <c>image.list</c> answer.</summary>
public sealed record ImageInfo(string Image, string? Name, string Kind, long Bytes, IReadOnlyList<string> Functions, string State)
{
    /// <summary>Where the commands of an image of kind command run; null for others.</summary>
    public string? Profile { get; init; }
}

/// <summary>What <c>node.info</c> answers.</summary>
public sealed record NodeInfo(
    string Node,
    string Version,
    DateTimeOffset Started,
    bool Root,
    string CgroupMode,
    IReadOnlyList<string> Features,
    string Note,
    IReadOnlyDictionary<string, long> Limits)
{
    /// <summary>What the node's policy lets tasks choose from, by name.</summary>
    public IReadOnlyList<ProfileInfo> Profiles { get; init; } = [];
}

/// <summary>An isolation profile of the node's policy.</summary>
public sealed record ProfileInfo(string Name, bool Files, bool OwnRoot, IReadOnlyList<string> Kinds)
{
    /// <summary>none, loopback, granted or host.</summary>
    public string Network { get; init; } = "none";

    /// <summary>The most that its tasks may be granted.</summary>
    public IReadOnlyList<string> Destinations { get; init; } = [];

    /// <summary>The profile that it was made tighter of; empty: the policy's own.</summary>
    public string Inherits { get; init; } = string.Empty;
}
