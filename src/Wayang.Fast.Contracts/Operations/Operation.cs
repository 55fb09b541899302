using System.Text;

namespace Wayang.Fast.Contracts.Operations;

public enum FieldType : byte
{
    Text = 0,

    /// <summary>A payload: bin, or str for what a person types.</summary>
    Bytes,
    Integer,

    /// <summary>26 characters.</summary>
    TaskId,

    /// <summary>One of <see cref="RequestField.Choices"/>.</summary>
    Choice,
    TextList,

    /// <summary>A map of name to value, or a list of NAME=value.</summary>
    Environment,

    /// <summary>A list of maps with the fields of <c>task.submit</c>.</summary>
    TaskList,

    /// <summary>true or false: the slot's number is 1 or 0.</summary>
    Flag,

    /// <summary>A map with the keys of <see cref="RequestField.Map"/>.</summary>
    Map,

    /// <summary>A list of maps, each with the keys of <see cref="RequestField.Map"/>.</summary>
    MapList,

    /// <summary>A map of name to bytes.</summary>
    BytesMap,
}

/// <summary>One key of a request map.</summary>
/// <param name="Name">snake_case.</param>
/// <param name="Doc">One line for a person.</param>
public sealed record RequestField(string Name, FieldType Type, string Doc)
{
    public bool Required { get; init; }

    /// <summary>The least number, or the fewest bytes or items.</summary>
    public long Min { get; init; }

    /// <summary>The greatest number, or the most bytes or items.</summary>
    public long Max { get; init; } = int.MaxValue;

    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>The keys of a <see cref="FieldType.Map"/>; read by <see cref="ParameterReader.ReadMap"/>.</summary>
    public RequestMap? Map { get; init; }

    /// <summary>The name as it stands in a frame.</summary>
    public ReadOnlySpan<byte> Utf8Name => _utf8Name;

    private readonly byte[] _utf8Name = Encoding.UTF8.GetBytes(Name);

    /// <summary>The index of a choice, or -1.</summary>
    public int IndexOfChoice(ReadOnlySpan<byte> utf8)
    {
        _utf8Choices ??= [.. Choices.Select(Encoding.UTF8.GetBytes)];
        for (var i = 0; i < _utf8Choices.Length; i++)
        {
            if (utf8.SequenceEqual(_utf8Choices[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private byte[][]? _utf8Choices;
}

/// <summary>One key of a response map.</summary>
public sealed record ResponseField(string Name, string Type, string Doc, bool Optional = false);

public enum OperationKind : byte
{
    TaskRun = 0,
    TaskSubmit,
    TaskSubmitMany,
    TaskWait,
    TaskGet,
    TaskCancel,
    TaskOutput,
    ImagePut,
    ImageList,
    NodeInfo,
    NodeStats,
    SessionOpen,
    TaskList,
    WorkerList,
    PoolList,
    NodeIncidents,
    NodeScan,
    TaskPause,
    TaskResume,
    TaskCheckpoint,
    TaskUpdate,
    GroupGet,
    GroupList,
    GroupCancel,
    GroupWait,
    TaskArtifact,
    TaskExplain,
    TenantList,
    EventsList,
    EventsSubscribe,
    WebhookCreate,
    WebhookList,
    WebhookGet,
    WebhookUpdate,
    WebhookDelete,
    WebhookRotate,
    WebhookReplay,
    WebhookDeliveries,
    NodePeers,
    TaskMigrate,
    NodeDrain,

    /// <summary>From here on: what nodes ask of each other (<see cref="PeerFields.BetweenNodes"/>).</summary>
    PeerHello,
    PeerOffer,
    PeerCommit,
    PeerWatch,
    PeerRecall,
    PeerRead,
    PeerStop,
    PeerRelease,
}

/// <summary>A map with known keys: the parameters of an operation, or of a field inside them.</summary>
public record RequestMap(string Name, IReadOnlyList<RequestField> Request)
{
    private readonly RequestField[] _fields = [.. Request];

    public ReadOnlySpan<RequestField> Fields => _fields;

    /// <summary>
    /// The index of a key, or -1. Looks at <paramref name="expected"/> first: clients write keys in the table's order,
    /// so the first comparison is nearly always the last.
    /// </summary>
    public int IndexOf(ReadOnlySpan<byte> key, int expected)
    {
        var fields = _fields;
        for (var i = expected; i < fields.Length; i++)
        {
            if (key.SequenceEqual(fields[i].Utf8Name))
            {
                return i;
            }
        }

        for (var i = 0; i < expected && i < fields.Length; i++)
        {
            if (key.SequenceEqual(fields[i].Utf8Name))
            {
                return i;
            }
        }

        return -1;
    }
}

/// <summary>One operation of every front door.</summary>
public sealed record Operation(
    OperationKind Kind,
    string Name,
    string Doc,
    IReadOnlyList<RequestField> Request,
    IReadOnlyList<ResponseField> Response) : RequestMap(Name, Request)
{
    private readonly byte[] _utf8Name = Encoding.UTF8.GetBytes(Name);

    /// <summary>Who may ask for it: callers with any of these, and those with <see cref="OperationScopes.Admin"/>. One that says none is open to nobody else.</summary>
    public OperationScopes Scopes { get; init; }

    /// <summary>Written into the log of audits with its outcome: what changes more than the caller's own tasks, or is asked by who operates.</summary>
    public bool IsAudited { get; init; }

    public ReadOnlySpan<byte> Utf8Name => _utf8Name;
}
