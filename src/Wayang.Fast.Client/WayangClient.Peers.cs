using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <content>Peers: what operators ask of them, and what nodes ask of each other.</content>
public sealed partial class WayangClient
{
    /// <summary>The nodes that this one's configuration names as its peers, and how it reaches each now.</summary>
    public Task<PeerList> ListPeersAsync(CancellationToken cancellation = default) =>
        CallAsync("node.peers", static (ref writer) => writer.WriteMapHeader(0), MonitorDecoders.Peers, cancellation);

    /// <summary>Introduces a node to its peer, and is told who that is.</summary>
    internal Task<NodeGreeting> GreetAsync(NodeGreeting self, CancellationToken cancellation) =>
        CallAsync(
            "peer.hello",
            (ref writer) =>
            {
                writer.WriteMapHeader(4);
                writer.WriteString("node"u8);
                writer.WriteString(self.Node);
                writer.WriteString("boot"u8);
                writer.WriteString(self.Boot);
                writer.WriteString("version"u8);
                writer.WriteString(self.Version);
                writer.WriteString("protocol"u8);
                writer.WriteInt64(self.Protocol);
            },
            static (ref reader) => Fields.Read(ref reader) is { } fields
                ? new NodeGreeting(fields.Text("node"), fields.Text("boot"), fields.Text("version"), (int)fields.Number("protocol"), MonitorDecoders.Load(fields))
                : null,
            cancellation);
}
