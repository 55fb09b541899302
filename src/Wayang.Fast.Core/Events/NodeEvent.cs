using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Events;

/// <summary>How much an event asks for somebody's attention.</summary>
public enum EventSeverity : byte
{
    Info = 0,
    Warning,
    Error,
}

/// <summary>Something that happened on the node. Immutable.</summary>
/// <param name="Sequence">Its place in the node's stream: one more than the event before it. 0: it has none yet.</param>
/// <param name="UnixMs">When.</param>
/// <param name="Type">Names with dots between, the general first: see <see cref="EventTypes"/>.</param>
/// <param name="Tenant">Who may see it besides the operator; <see cref="OfNode"/>: nobody.</param>
/// <param name="Task">The task concerned, or none.</param>
/// <param name="Data">What is to be said of it: a map, as MessagePack.</param>
#pragma warning disable CA1819 // Written once by its maker, and only read from then on.
public sealed record NodeEvent(long Sequence, long UnixMs, string Type, EventSeverity Severity, int Tenant, TaskId Task, byte[] Data)
#pragma warning restore CA1819
{
    /// <summary>In place of a tenant: the node's own.</summary>
    public const int OfNode = -1;
}

/// <summary>The types of events. What is told of each: docs/events.md.</summary>
public static class EventTypes
{
    public const string TaskSubmitted = "wayang.task.submitted";
    public const string TaskStarted = "wayang.task.started";
    public const string TaskRetrying = "wayang.task.retrying";
    public const string TaskSaved = "wayang.task.saved";

    public const string TaskCheckpointed = "wayang.task.checkpointed";
    public const string TaskContinued = "wayang.task.continued";
    public const string TaskNotContinued = "wayang.task.not_continued";

    /// <summary>Of a call that moves between nodes: followed by what became of it.</summary>
    public const string HandoverPrefix = "wayang.task.handover.";

    /// <summary>Ends of tasks that came faster than they may be told; how many.</summary>
    public const string TasksUntold = "wayang.tasks.untold";
    public const string NodeStarted = "wayang.node.started";
    public const string NodeStopping = "wayang.node.stopping";
    public const string NodeDraining = "wayang.node.draining";
    public const string NodeDrained = "wayang.node.drained";
    public const string NodeServing = "wayang.node.serving";

    /// <summary>Events that could not be kept, or not any more: from and to which number. Made for the reader whom they are missing.</summary>
    public const string Gap = "wayang.events.gap";

    /// <summary>Events that never got a number, since nothing stored them in time; how many.</summary>
    public const string Lost = "wayang.events.lost";

    /// <summary>Of an end: followed by the state.</summary>
    public const string TaskPrefix = "wayang.task.";

    /// <summary>Of an incident: followed by its kind.</summary>
    public const string IncidentPrefix = "wayang.incident.";

    /// <summary>Of a peer: followed by how it is reached now.</summary>
    public const string PeerPrefix = "wayang.peer.";

    /// <summary>Of a webhook: followed by what became of it.</summary>
    public const string WebhookPrefix = "wayang.webhook.";

    /// <summary>Of the audit log: followed by how it does.</summary>
    public const string AuditPrefix = "wayang.audit.";
}
