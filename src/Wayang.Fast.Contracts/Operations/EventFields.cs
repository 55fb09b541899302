namespace Wayang.Fast.Contracts.Operations;

/// <summary>The operations of the event stream.</summary>
internal static class EventFields
{
    private const int MaxType = 128;

    private static readonly RequestField s_since = new("since", FieldType.Integer, "The last number that is known; what follows it is told. 0: from the oldest that is kept; 9223372036854775807: from now on. Another one beyond the newest is none of this stream's: a gap is told, and the oldest that is kept follows.") { Max = long.MaxValue };

    private static readonly RequestField[] s_filter =
    [
        new("type", FieldType.Text, "What types begin with, by whole names: wayang.task, wayang.incident.heal; default: any.") { Min = 1, Max = MaxType },
        new("task", FieldType.TaskId, "Only of this task."),
        new("tenant", FieldType.Integer, "Only of this tenant; the default tenant may ask so, others are told of themselves alone."),
        new("severity", FieldType.Choice, "At least so; default info.") { Choices = ["info", "warning", "error"] },
        new("group", FieldType.Text, "Only of tasks of this group.") { Min = 1, Max = LifeFields.MaxName },
    ];

    /// <summary>The shape of CloudEvents 1.0, in JSON.</summary>
    private static readonly ResponseField[] s_event =
    [
        new("specversion", "text", "1.0, of CloudEvents.", Optional: true),
        new("id", "text", "The number as text; with the source it names the event for ever.", Optional: true),
        new("source", "text", "The node.", Optional: true),
        new("type", "text", "What happened: wayang.task.failed, wayang.node.started ...", Optional: true),
        new("time", "time", "ISO 8601.", Optional: true),
        new("subject", "id", "The task concerned.", Optional: true),
        new("severity", "text", "info, warning or error.", Optional: true),
        new("tenant", "integer", "Whose it is; absent: the node's own.", Optional: true),
        new("sequence", "text", "The number: one more than the event before it. To be given as since.", Optional: true),
        new("datacontenttype", "text", "application/json.", Optional: true),
        new("data", "map", "What is to be said of it; docs/events.md.", Optional: true),
    ];

    public static IReadOnlyList<Operation> Operations { get; } =
    [
        new(OperationKind.EventsList, "events.list", "Events behind a number, the oldest first. Missing numbers are told by an event wayang.events.gap.",
            [
                s_since,
                .. s_filter,
                new("limit", FieldType.Integer, "Looks at so many at most; default 100.") { Min = 1, Max = 1_000 },
                new("wait_ms", FieldType.Integer, "Where nothing is behind since: waits so long for more; default 0.") { Max = OperationTable.MaxWaitMs },
            ],
            [
                new("events", "list of map", "As events.subscribe tells them."),
                new("next", "integer", "What to give as since next."),
                new("stalled", "text", "Why nothing new is told now: events are told when they are stored.", Optional: true),
            ])
        {
            Scopes = OperationScopes.Read,
        },
        new(OperationKind.EventsSubscribe, "events.subscribe",
            "Events as they happen; absent since: from now on. Over MessagePack-RPC the answer holds sequence, and notifications event(map) follow; a later subscription of the connection takes its place.",
            [s_since, .. s_filter], s_event)
        {
            Scopes = OperationScopes.Read,
        },
    ];
}
