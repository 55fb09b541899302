namespace Wayang.Fast.Host.Configuration;

/// <content>What the node is among others.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfNode() =>
    [
        new("node.name", KeyKind.Name, "What the node is called among its peers, and where it tells of itself; each has another one.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Runtime.NodeName,
            Apply = static (s, v) => s with { Runtime = s.Runtime with { NodeName = v.Text } },
            DefaultWords = "the host's name",
            Sample = "node1",
        },
        new("node.heartbeat_ms", KeyKind.Number, "How often each peer is asked whether it is there; one that does not answer for three times that is lost.")
        {
            Minimum = 50,
            Maximum = 60_000,
            Unit = "ms",
            Change = KeyChange.Restart,
            Read = static s => Text((long)s.Heartbeat.TotalMilliseconds),
            Apply = static (s, v) => s with { Heartbeat = TimeSpan.FromMilliseconds(v.Number) },
        },
    ];
}
