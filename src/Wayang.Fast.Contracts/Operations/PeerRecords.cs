namespace Wayang.Fast.Contracts.Operations;

/// <summary>How a peer is reached.</summary>
public enum PeerState : byte
{
    /// <summary>It was not reached yet since this node was started, or since it was configured.</summary>
    Connecting = 0,
    Connected,

    /// <summary>It was reached, and is not any more.</summary>
    Lost,

    /// <summary>Something answers there and is not that peer, or does not take this node for one of its own.</summary>
    Refused,
}

/// <summary>What <c>node.peers</c> answers.</summary>
/// <param name="Node">The answering node's name.</param>
public sealed record PeerList(string Node, IReadOnlyList<PeerInfo> Peers);

/// <param name="Since">In this state.</param>
/// <param name="Reason">Why it is not connected; empty where it is.</param>
/// <param name="Heard">When it last asked for anything here.</param>
public sealed record PeerInfo(string Name, string Address, PeerState State, DateTimeOffset Since, string Reason, DateTimeOffset? Heard, string Version, TimeSpan RoundTrip, NodeLoad Load);

/// <param name="Running">Tasks that have a slot.</param>
/// <param name="Queued">Tasks that wait.</param>
/// <param name="Slots">Tasks that it means to run at once: limits.concurrent_tasks, or its processors; 0 while it is drained.</param>
public sealed record NodeLoad(long Running, long Queued, long Slots)
{
    public static NodeLoad None { get; } = new(0, 0, 0);
}

/// <summary>Who a node says it is, and how busy.</summary>
/// <param name="Boot">Of this start of it: another one remembers nothing that is not durable.</param>
public sealed record NodeGreeting(string Node, string Boot, string Version, int Protocol, NodeLoad Load);
