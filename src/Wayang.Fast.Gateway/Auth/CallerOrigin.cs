using System.Globalization;
using System.Net;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>By which door somebody came, and from where. Words are made of it only where it is told.</summary>
/// <param name="Door">messagepack, grpc or rest.</param>
/// <param name="Peer">Of a unix socket, as the kernel knows it.</param>
/// <param name="Place">Of TCP.</param>
internal readonly record struct CallerOrigin(string? Door, PeerCredentials? Peer, IPEndPoint? Place)
{
    /// <summary>uid 1000 pid 4711, or 192.0.2.7:40312.</summary>
    public string From => Peer is { } peer ? string.Create(CultureInfo.InvariantCulture, $"uid {peer.UserId} pid {peer.ProcessId}") : Place?.ToString() ?? "unknown";
}
