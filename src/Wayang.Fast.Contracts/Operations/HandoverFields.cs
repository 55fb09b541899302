using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>
/// Calls that move between nodes: what a caller asks, and what the node whose task it is (its home) asks of the one where its call is to go on (its host). Each request between nodes names a hand-over, may be
/// sent again, and is answered by what is true at the host then; <c>not_found</c> is an answer for good. The call itself travels on a connection of its own (<see cref="CallStream"/>).
/// </summary>
public static class HandoverFields
{
    /// <summary>Bytes of one piece of what a call said, at most.</summary>
    public const int MaxPiece = 1 << 20;

    /// <summary>Bytes of a call's file, at most.</summary>
    public const long MaxFile = 1L << 36;

    /// <summary>The longest name of a hand-over.</summary>
    public const int MaxName = 96;

    /// <summary>The longest that <c>peer.watch</c> waits for news.</summary>
    public const int MaxWatchMs = 10_000;

    private const int MaxSpec = 64 << 10;
    private const int MaxShape = 1 << 10;

    private static readonly RequestField s_handover = new("handover", FieldType.Text, "Its name.") { Required = true, Min = 1, Max = MaxName };

    private static readonly ResponseField[] s_taken = [new("handover", "text", "Its name.")];

    private static readonly ResponseField[] s_news =
    [
        new("number", "integer", "Of these news."),
        new("state", "text", "offered, prepared, adopted, begun, ended or returned."),
        new("output_bytes", "integer", "Of its output, once it has ended."),
        new("stdout_bytes", "integer", "Of what it wrote there."),
        new("stderr_bytes", "integer", "The same."),
        new("log_bytes", "integer", "The same."),
        new("progress", "bytes", "A byte of percent (255: none) and a text; empty: nothing was told."),
        new("begun_us", "integer", "For how long it goes on there by now; absent: it does not yet.", Optional: true),
        new("end", "map", "Of an ended one: {state, cause, peak_memory_bytes, cpu_us}.", Optional: true),
        new("reason", "text", "Of a returned one: why it did not go on there.", Optional: true),
        new("file_bytes", "integer", "Of a returned one that goes back with a file.", Optional: true),
        new("standing_us", "integer", "For how long the call in it stands still by now; 0: not known.", Optional: true),
        new("saved_times", "integer", "How often it had saved a state there when that was copied, once a second at most; absent: it has not.", Optional: true),
        new("saved_bytes", "integer", "Of that state, which is read as a part until the next news.", Optional: true),
    ];

    public static Operation Migrate { get; } = new(
        OperationKind.TaskMigrate, "task.migrate", "Lets a running call go on at another node, or at its home again; answered when it does. Nothing of it is lost if that fails: it then goes on where it was.",
        [
            new("task", FieldType.TaskId, "The task's id.") { Required = true },
            new("to", FieldType.Text, "A peer by its name (node.peers), or this node's own; absent: home.") { Min = 1, Max = PeerFields.MaxNodeName },
        ],
        [
            new("task", "id", "The task's id."),
            new("node", "text", "Where it goes on; absent: at home.", Optional: true),
            new("times", "integer", "Its moves so far."),
            new("bytes", "integer", "Of its file."),
            new("pause_us", "integer", "From the wish to write it down until it went on."),
            new("at", "time", "When it went on."),
            new("why", "text", "asked, drain (node.drain), preempted (it stood frozen, and a peer had room: migration.auto), balance (others waited for slots here, and a peer had free ones: migration.auto)."),
        ])
    {
        Scopes = OperationScopes.Submit | OperationScopes.Operate,
        IsAudited = true,
    };

    public static Operation Drain { get; } = new(
        OperationKind.NodeDrain, "node.drain", "Lets the node end its work without losing any: it takes nothing new, calls that can move go to peers, those of other nodes go home, the rest ends here; asked again, it says how far it is.",
        [
            new("to", FieldType.Text, "The only peer where calls go; absent: those that have room.") { Min = 1, Max = PeerFields.MaxNodeName },
            new("wait_ms", FieldType.Integer, "Answers when it may be stopped, or after so long; default 0.") { Max = OperationTable.MaxWaitMs },
            new("undo", FieldType.Flag, "It takes work again; what moved stays where it went."),
        ],
        [
            new("state", "text", "serving, draining, idle (nothing runs here, and calls at peers would be lost with this node), drained (it may be stopped)."),
            new("since", "time", "When it was asked for.", Optional: true),
            new("moved", "integer", "Calls that went to peers for it."),
            new("given_back", "integer", "Calls of other nodes that went home for it."),
            new("running", "integer", "Tasks that run here, frozen ones too."),
            new("queued", "integer", "Tasks that wait here: they begin in the slots that moves make free."),
            new("away", "integer", "Calls of this node that go on at peers; it tells their ends."),
            new("staying", "list of map", "{task, state, reason}: what does not move, at most 100 of them."),
            new("changed", "boolean", "true: this request began the drain, undid it, or named another peer; false: it only asked."),
        ])
    {
        Scopes = OperationScopes.Operate,
        IsAudited = true,
    };

    public static IReadOnlyList<Operation> BetweenNodes { get; } =
    [
        Between(OperationKind.PeerOffer, "peer.offer", "Whether a call could go on there, before anything of it stands still.", s_taken,
            new("boot", FieldType.Text, "Of the start of its home.") { Required = true, Min = 1, Max = 64 },
            new("task", FieldType.TaskId, "Its id at home.") { Required = true },
            new("tenant", FieldType.Text, "By name.") { Required = true, Min = 1, Max = 128 },
            new("spec", FieldType.Bytes, "What it runs, as the ledger has it.") { Required = true, Min = 1, Max = MaxSpec },
            new("shape", FieldType.Bytes, "How its worker's channel is made: a worker is made by it before the answer.") { Min = 1, Max = MaxShape }),
        Between(OperationKind.PeerCommit, "peer.commit", "It goes on there, and at home no more; answered with what is true of it when it does, or a moment later.", s_news),
        Between(OperationKind.PeerWatch, "peer.watch", "What is true of it, as soon as it is news.",
            s_news,
            new("known", FieldType.Integer, "The news that the asker has; absent: none.") { Max = long.MaxValue },
            new("wait_ms", FieldType.Integer, "So long at most.") { Max = MaxWatchMs }),
        Between(OperationKind.PeerRecall, "peer.recall", "It is written down for its home, and sent on the connection that this opened for it; it never goes on there.", s_taken),
        Between(OperationKind.PeerRead, "peer.read", "A piece of what it said.",
            [new("data", "bytes", "The piece; empty: there is no more.")],
            new("part", FieldType.Choice, "Of which.") { Required = true, Choices = ["output", "stdout", "stderr", "log", "saved"] },
            new("offset", FieldType.Integer, "From where.") { Required = true, Max = long.MaxValue }),
        Between(OperationKind.PeerStop, "peer.stop", "It is to end.", s_taken,
            new("state", FieldType.Choice, "As what.") { Required = true, Choices = WireNames.All<TaskState>() },
            new("cause", FieldType.Choice, "Why.") { Required = true, Choices = WireNames.All<CauseType>() },
            new("detail", FieldType.Text, "In words.") { Max = 4_096 }),
        Between(OperationKind.PeerRelease, "peer.release", "Its home needs nothing of it any more: whatever it does there is over.", s_taken),
    ];

    private static Operation Between(OperationKind kind, string name, string doc, IReadOnlyList<ResponseField> response, params RequestField[] fields) =>
        new(kind, name, doc, [s_handover, .. fields], response) { Scopes = OperationScopes.Peer };
}
