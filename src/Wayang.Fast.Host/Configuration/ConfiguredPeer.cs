using Wayang.Fast.Cluster.Membership;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Host.Configuration;

/// <summary>One entry of <c>peers:</c>.</summary>
/// <param name="Spec">Who it is, and where.</param>
/// <param name="Place">Where it stands.</param>
public sealed record ConfiguredPeer(PeerSpec Spec, ConfigurationPlace Place)
{
    public string Name => Spec.Name;

    /// <summary>By what it is known when it comes here.</summary>
    public PeerCertificate Certificate => new(Spec.Name, Spec.Certificate, Spec.Fingerprint);

    /// <summary>All that it says, as one line: for people, and to see what a reload changed.</summary>
    public string Terms => $"{Spec.Address}{(Spec.Certificate == Spec.Name ? "" : $", certificate {Spec.Certificate}")}{(Spec.Fingerprint is { } fingerprint ? $", fingerprint {fingerprint}" : "")}";

    /// <summary>What differs between two readings of the section, one line a peer.</summary>
    public static IEnumerable<string> Changes(IReadOnlyList<ConfiguredPeer> before, IReadOnlyList<ConfiguredPeer> after)
    {
        foreach (var gone in before.Where(b => after.All(a => a.Name != b.Name)))
        {
            yield return $"peer '{gone.Name}' is no longer configured";
        }

        foreach (var peer in after)
        {
            var was = before.FirstOrDefault(b => b.Name == peer.Name)?.Terms;
            if (was != peer.Terms)
            {
                yield return $"peer '{peer.Name}': {was ?? "(new)"} -> {peer.Terms}";
            }
        }
    }
}
