using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>What operations are done with.</summary>
/// <param name="Tasks">The node's tasks.</param>
/// <param name="Monitor">Null: what operators ask is refused.</param>
/// <param name="Life">Null: pauses, changes and groups are refused.</param>
public sealed record OperationPorts(ITaskService Tasks, INodeMonitor? Monitor, ITaskLife? Life)
{
    /// <summary>Null: events are refused.</summary>
    public EventStream? Events { get; init; }

    /// <summary>Null: the node has no peers.</summary>
    public INodeMembership? Membership { get; init; }

    /// <summary>Null: no call of this node goes on at another.</summary>
    public ITaskMoves? Moves { get; init; }

    /// <summary>Null: the node cannot be drained.</summary>
    public INodeDrain? Drain { get; init; }

    /// <summary>Null: no call of another node goes on here.</summary>
    public IHandoverHost? Visits { get; init; }

    /// <summary>Null: webhooks are refused.</summary>
    public WebhookDesk? Webhooks { get; init; }
}
