using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Cluster.Membership;

/// <summary>What a node is among its peers.</summary>
public sealed record MembershipOptions
{
    /// <summary>This node's name.</summary>
    public required string Node { get; init; }

    public required string Version { get; init; }

    /// <summary>How busy it is now. Any thread.</summary>
    public required Func<NodeLoad> Load { get; init; }

    /// <summary>How often each peer is asked whether it is there; one that does not answer within three times that is lost.</summary>
    public required TimeSpan Heartbeat { get; init; }

    /// <summary>The pause before the second try to reach a peer; it doubles up to <see cref="LongestPause"/>.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);
}
