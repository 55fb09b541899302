using System.Globalization;
using Wayang.Fast.Client;
using Wayang.Fast.Cluster.Membership;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Reads <c>peers:</c>, a list of {name, address, certificate?, fingerprint?}: the nodes beside this one.</summary>
internal sealed class PeerSection(string file, List<ConfigurationProblem> problems)
{
    public const string Name = "peers";

    public const int MaxPeers = 64;
    private const int FingerprintDigits = 64;

    private static readonly string[] Keys = ["name", "address", "certificate", "fingerprint"];

    public IReadOnlyList<ConfiguredPeer> Read(ConfigurationNode node)
    {
        if (node.SaysNothing)
        {
            return [];
        }

        if (node.Kind != NodeKind.Sequence || node.Items.Count > MaxPeers)
        {
            Tell(node, Name, string.Create(CultureInfo.InvariantCulture, $"must be a list of at most {MaxPeers} nodes; write each as '- {{name: node2, address: \"tls://node2.example:7800\"}}'"));
            return [];
        }

        var peers = new List<ConfiguredPeer>();
        for (var i = 0; i < node.Items.Count; i++)
        {
            var label = string.Create(CultureInfo.InvariantCulture, $"{Name}[{i}]");
            if (ReadPeer(label, node.Items[i]) is { } peer && IsAlone(label, peer, peers))
            {
                peers.Add(peer);
            }
        }

        return peers;
    }

    private bool IsAlone(string label, ConfiguredPeer peer, List<ConfiguredPeer> others)
    {
        string? Twice(ConfiguredPeer other) =>
            other.Name == peer.Name ? $"the name '{peer.Name}' stands twice"
            : other.Spec.Certificate == peer.Spec.Certificate && (other.Spec.Fingerprint is null || other.Spec.Fingerprint == peer.Spec.Fingerprint || peer.Spec.Fingerprint is null)
                ? $"its certificate '{peer.Spec.Certificate}' is that of '{other.Name}', too: neither could be told from the other"
            : other.Spec.Address == peer.Spec.Address ? $"its address {peer.Spec.Address} is that of '{other.Name}', too"
            : null;

        foreach (var other in others)
        {
            if (Twice(other) is { } reason)
            {
                problems.Add(new ConfigurationProblem(peer.Place, label, $"{reason}; the first is at {other.Place}"));
                return false;
            }
        }

        return true;
    }

    private ConfiguredPeer? ReadPeer(string label, ConfigurationNode node)
    {
        if (node.Kind != NodeKind.Mapping)
        {
            Tell(node, label, "must be keys and values: {name: node2, address: \"tls://node2.example:7800\"}");
            return null;
        }

        var before = problems.Count;
        var values = new EntryKeys(file, "a peer", Keys, problems).Values(label, node);
        var name = Word(label, values, "name", node, PeerFields.IsNodeName, $"must be 1 to {PeerFields.MaxNodeName} of A-Z a-z 0-9 . _ -, as node.name says there");
        var address = Word(label, values, "address", node, static text => WayangEndpoint.TryParse(text) is { IsTls: true }, "must be tls://HOST[:PORT]: nodes speak to each other encrypted");
        var certificate = values.ContainsKey("certificate")
            ? Word(label, values, "certificate", node, AccessToken.IsCertificateName, "must be the common name or a DNS name of the peer's certificate") : name;
        var fingerprint = values.ContainsKey("fingerprint")
            ? Word(label, values, "fingerprint", node, static text => Digits(text).Length == FingerprintDigits, $"must be {FingerprintDigits} hexadecimal digits: openssl x509 -in CERTIFICATE -noout -fingerprint -sha256") : null;
        return problems.Count > before
            ? null
            : new ConfiguredPeer(new PeerSpec(name!, WayangEndpoint.TryParse(address!)!, certificate!, fingerprint is null ? null : Digits(fingerprint)), PlaceOf(node));
    }

    /// <summary>In lower case, without the colons that some tools print; empty where something else stands there.</summary>
    private static string Digits(string text)
    {
        var digits = text.Replace(":", "", StringComparison.Ordinal).ToLowerInvariant();
        return digits.All(char.IsAsciiHexDigitLower) ? digits : string.Empty;
    }

    private string? Word(string label, Dictionary<string, ConfigurationNode> values, string key, ConfigurationNode peer, Func<string, bool> isGood, string must)
    {
        if (!values.TryGetValue(key, out var node))
        {
            Tell(peer, label, $"has no {key}");
            return null;
        }

        if (node.Kind == NodeKind.Refused)
        {
            return null;
        }

        if (node.Kind != NodeKind.Scalar || !isGood(node.Text))
        {
            Tell(node, $"{label}.{key}", $"{must}, not '{(node.Kind == NodeKind.Scalar ? ValueReader.Shortened(node.Text) : "...")}'");
            return null;
        }

        return node.Text;
    }

    private void Tell(ConfigurationNode node, string key, string reason) => problems.Add(new ConfigurationProblem(PlaceOf(node), key, reason));

    private ConfigurationPlace PlaceOf(ConfigurationNode node) => new(file, node.Line, node.Column);
}
