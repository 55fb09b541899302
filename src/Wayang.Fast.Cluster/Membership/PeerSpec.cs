using Wayang.Fast.Client;

namespace Wayang.Fast.Cluster.Membership;

/// <summary>A node that the configuration names as a peer.</summary>
/// <param name="Name">As it calls itself.</param>
/// <param name="Address">Where it answers, encrypted.</param>
/// <param name="Certificate">The name that its certificate has.</param>
/// <param name="Fingerprint">The SHA-256 of its one certificate; null: any with the name that our authority signed.</param>
public sealed record PeerSpec(string Name, WayangEndpoint Address, string Certificate, string? Fingerprint);
