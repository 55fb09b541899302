using System.Net;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// The second way in: TCP. The first request of a connection is <c>session.open</c>; until then it may hold little, ask little
/// and stay only briefly. Without certificates what travels is not encrypted.
/// </summary>
public sealed record RpcTcpOptions
{
    public const int DefaultPort = 7800;

    /// <summary>Where to listen; port 0 takes a free one.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>Who may come in.</summary>
    public required TokenStore Tokens { get; init; }

    /// <summary>What is shown over TLS, which is all that is spoken then; a peer with a certificate that a line of the tokens names has its session at once.</summary>
    public DoorCertificates? Certificates { get; init; }

    /// <summary>Which certificates are those of other nodes, which ask for what only nodes may; null: there are none.</summary>
    public PeerCertificates? Peers { get; init; }

    /// <summary>Must be said for an address that other hosts can reach.</summary>
    public bool AllowRemote { get; init; }

    /// <summary>Connections that have not opened their session yet; when there are so many, who stands still makes room for newcomers (<see cref="UnopenedPlaces"/>).</summary>
    public int MaxUnopened { get; init; } = 64;

    /// <summary>For so long a connection without a session keeps its place, unless its address has more than a quarter of all; then newcomers may take it.</summary>
    public TimeSpan UnopenedGrace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests and notifications before the session is open, wrong tokens among them; the last one closes.</summary>
    public int MaxRequestsBeforeSession { get; init; } = 8;

    /// <summary>A peer that has not opened its session for so long is closed, however busy it is.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Silence after which the kernel asks whether the peer's host is still there.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(30);
}
