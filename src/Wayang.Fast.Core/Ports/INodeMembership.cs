using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// Which nodes belong together, and how each is reached now. Today they stand in the configuration; an engine of clusters can take that place. Thread-safe; nothing here blocks.
/// </summary>
public interface INodeMembership
{
    /// <summary>This node, as it introduces itself.</summary>
    NodeGreeting Self { get; }

    /// <summary>In the order of their names.</summary>
    IReadOnlyList<PeerInfo> List();

    /// <summary>A peer asks: its connection has shown who it is.</summary>
    /// <param name="peer">The configured name of whom the connection is.</param>
    /// <param name="greeting">What it says of itself.</param>
    /// <returns>Why it is not taken for the one that its certificate names; null: it is, and <see cref="Self"/> is the answer.</returns>
    string? Greet(string peer, NodeGreeting greeting);
}
