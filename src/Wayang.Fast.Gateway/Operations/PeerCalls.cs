using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>What other nodes ask of this one, and what operators ask about them.</summary>
internal static class PeerCalls
{
    /// <summary>What nodes ask of each other.</summary>
    public static bool Handles(OperationKind kind) => kind == OperationKind.PeerHello;

    /// <param name="kind">One that <see cref="Handles"/> knows.</param>
    /// <param name="ports">With a membership, or the node has no peers.</param>
    /// <param name="peer">The configured name of who asks, as its certificate has shown.</param>
    /// <param name="frame">Valid until the task completes.</param>
    /// <param name="slots">Checked by the table.</param>
    /// <returns>What writes the result into the reply, or the refusal.</returns>
    public static (ReplyWriter? Write, OperationError? Refusal) Perform(OperationKind kind, OperationPorts ports, string peer, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        if (ports.Membership is not { } membership)
        {
            return (null, new(ErrorCode.Unsupported, "This node has no peers."));
        }

        if (kind != OperationKind.PeerHello)
        {
            return (null, new(ErrorCode.Internal, $"No handler for {kind}."));
        }

        var greeting = new NodeGreeting(
            Text(frame, slots[HelloField.Node]), Text(frame, slots[HelloField.Boot]), Text(frame, slots[HelloField.Version]), (int)slots[HelloField.Protocol].Number, NodeLoad.None);
        if (membership.Greet(peer, greeting) is { } why)
        {
            return (null, new(ErrorCode.PermissionDenied, why, "node"));
        }

        ports.Visits?.OnGreeted(peer, greeting.Boot);
        var self = membership.Self;
        return ((ref writer) => Greeting(ref writer, self), null);
    }

    /// <summary>Answers node.peers.</summary>
    public static void WriteList(ref MessagePackWriter writer, string node, IReadOnlyList<PeerInfo> peers)
    {
        writer.WriteMapHeader(2);
        Text(ref writer, "node"u8, node);
        writer.WriteString("peers"u8);
        writer.WriteArrayHeader(peers.Count);
        foreach (var peer in peers)
        {
            writer.WriteMapHeader(8 + (peer.Reason.Length > 0 ? 1 : 0) + (peer.Heard is null ? 0 : 1) + (peer.Version.Length > 0 ? 1 : 0));
            Text(ref writer, "name"u8, peer.Name);
            Text(ref writer, "address"u8, peer.Address);
            Text(ref writer, "state"u8, WireNames.Text(peer.State));
            Text(ref writer, "since"u8, ReplyEncoder.Time(peer.Since));
            if (peer.Reason.Length > 0)
            {
                Text(ref writer, "reason"u8, peer.Reason);
            }

            if (peer.Heard is { } heard)
            {
                Text(ref writer, "heard"u8, ReplyEncoder.Time(heard));
            }

            if (peer.Version.Length > 0)
            {
                Text(ref writer, "version"u8, peer.Version);
            }

            ReplyEncoder.Number(ref writer, "round_trip_us"u8, (long)peer.RoundTrip.TotalMicroseconds);
            Load(ref writer, peer.Load);
        }
    }

    private static void Greeting(ref MessagePackWriter writer, NodeGreeting self)
    {
        writer.WriteMapHeader(7);
        Text(ref writer, "node"u8, self.Node);
        Text(ref writer, "boot"u8, self.Boot);
        Text(ref writer, "version"u8, self.Version);
        ReplyEncoder.Number(ref writer, "protocol"u8, self.Protocol);
        Load(ref writer, self.Load);
    }

    private static void Load(ref MessagePackWriter writer, NodeLoad load)
    {
        ReplyEncoder.Number(ref writer, "running"u8, load.Running);
        ReplyEncoder.Number(ref writer, "queued"u8, load.Queued);
        ReplyEncoder.Number(ref writer, "slots"u8, load.Slots);
    }

    private static string Text(ReadOnlySpan<byte> frame, in ParameterSlot slot) => Encoding.UTF8.GetString(slot.Of(frame));

    private static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }
}
