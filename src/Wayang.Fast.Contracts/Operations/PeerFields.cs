namespace Wayang.Fast.Contracts.Operations;

/// <summary>Positions of the parameters of <c>peer.hello</c>.</summary>
public static class HelloField
{
    public const int Node = 0;
    public const int Boot = 1;
    public const int Version = 2;
    public const int Protocol = 3;
}

/// <summary>The operations on peers, and those that nodes ask of each other. A node may ask these only of one whose configuration names it.</summary>
public static class PeerFields
{
    /// <summary>The longest name of a node, in characters.</summary>
    public const int MaxNodeName = 63;

    /// <summary>What two nodes must agree on to speak with each other.</summary>
    public const int Protocol = 3;

    private const OperationScopes Watching = OperationScopes.Read | OperationScopes.Operate;

    /// <summary>Who a node says it is, asked and answered.</summary>
    private static readonly ResponseField[] s_greeting =
    [
        new("node", "text", "The answering node's name."),
        new("boot", "text", "Of this start of it."),
        new("version", "text", "Of its runtime."),
        new("protocol", "integer", "Of what nodes say to each other."),
        new("running", "integer", "Tasks that have a slot there."),
        new("queued", "integer", "Tasks that wait there."),
        new("slots", "integer", "Tasks that it means to run at once."),
    ];

    public static Operation List { get; } = new(OperationKind.NodePeers, "node.peers", "The nodes that this one's configuration names as its peers, and how each is reached now.", [],
        [
            new("node", "text", "This node's name."),
            new("peers", "list of map",
                "{name, address, state: connecting | connected | lost | refused, since, reason?, heard?, version?, round_trip_us, running, queued, slots}: since when it is in its state and why; heard: when it last asked for anything here; the last three as it told them last."),
        ])
    {
        Scopes = Watching,
    };

    public static IReadOnlyList<Operation> BetweenNodes { get; } =
    [
        new(OperationKind.PeerHello, "peer.hello", "Says who asks, and asks who answers; also the sign that both are there.",
            [
                new("node", FieldType.Text, "The asking node's name.") { Required = true, Min = 1, Max = MaxNodeName },
                new("boot", FieldType.Text, "Of this start of it.") { Required = true, Min = 1, Max = 64 },
                new("version", FieldType.Text, "Of its runtime.") { Required = true, Min = 1, Max = 128 },
                new("protocol", FieldType.Integer, "Of what nodes say to each other.") { Required = true, Max = 1_000_000 },
            ],
            s_greeting)
        {
            Scopes = OperationScopes.Peer,
        },
        .. HandoverFields.BetweenNodes,
    ];

    /// <summary>A name that a node can have.</summary>
    public static bool IsNodeName(string name) =>
        name is not null && name.Length is > 0 and <= MaxNodeName && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
