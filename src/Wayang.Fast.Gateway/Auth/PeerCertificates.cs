using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>By what a peer is known.</summary>
/// <param name="Peer">Its name in the configuration.</param>
/// <param name="Name">The common name or DNS name that its certificate has.</param>
/// <param name="Fingerprint">The SHA-256 of its one certificate, in lower-case hexadecimal digits; null: any with the name.</param>
public sealed record PeerCertificate(string Peer, string Name, string? Fingerprint);

/// <summary>Which certificates are those of peers. Any thread; replaced while it is used.</summary>
public sealed class PeerCertificates
{
    private PeerCertificate[] _known = [];

    /// <summary>From now on these are the peers; connections of others, or of those that changed, end.</summary>
    public void Replace(IEnumerable<PeerCertificate> peers) => Volatile.Write(ref _known, [.. peers]);

    /// <summary>Whose certificate it is, which a believed authority has signed; null: no peer's, or that of more than one.</summary>
    internal PeerCertificate? Find(X509Certificate2 certificate)
    {
        var known = Volatile.Read(ref _known);
        if (known.Length == 0)
        {
            return null;
        }

        var names = DoorCertificates.NamesOf(certificate);
        var fingerprint = Convert.ToHexStringLower(certificate.GetCertHash(HashAlgorithmName.SHA256));
        var found = Array.FindAll(known, peer => names.Contains(peer.Name, StringComparer.Ordinal) && (peer.Fingerprint is null || string.Equals(peer.Fingerprint, fingerprint, StringComparison.Ordinal)));
        return found.Length == 1 ? found[0] : null;
    }

    internal bool IsInForce(PeerCertificate peer) => Array.Exists(Volatile.Read(ref _known), known => known == peer);
}
