using System.Net;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Http;

/// <summary>Where a door over HTTP listens, who may come in, and its bounds.</summary>
public sealed record HttpDoorOptions
{
    /// <summary>TCP, for those who show a token; port 0 takes a free one; null: none.</summary>
    public IPEndPoint? EndPoint { get; init; }

    /// <summary>Must be said for an address that other hosts can reach.</summary>
    public bool AllowRemote { get; init; }

    /// <summary>A unix socket, for those whom the kernel names; null: none.</summary>
    public string? SocketPath { get; init; }

    /// <summary>Who may come in over TCP; null: nobody.</summary>
    public TokenStore? Tokens { get; init; }

    /// <summary>What is shown over TCP, where it is encrypted; null: it is not.</summary>
    public DoorCertificates? Certificates { get; init; }

    /// <summary>Says which tenant a peer of the unix socket is, or null for one that may not come in.</summary>
    public Func<PeerCredentials, int?> Authorize { get; init; } = static _ => null;

    /// <summary>What a peer of the unix socket may do.</summary>
    public Func<PeerCredentials, OperationScopes> ScopesOf { get; init; } = static _ => OperationScopes.All;

    /// <summary>What keeps the node from taking work; null: it takes it.</summary>
    public Func<string?> Readiness { get; init; } = static () => null;

    /// <summary>Told of what an operator should look at. Must not throw.</summary>
    public Action<string>? OnWarning { get; init; }

    /// <summary>Of all callers together; what is more is told so and closed.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Of one address of TCP.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 512;

    /// <summary>Of one caller: a user of the unix socket, or the bearers of one token, from its first request on a connection on.</summary>
    public int MaxConnectionsPerIdentity { get; init; } = 512;

    /// <summary>A connection too many that asks nothing for so long is closed without being told why.</summary>
    public TimeSpan RefusedTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A request whose headers are not there after so long is given up with its connection; TLS has as long for its handshake.</summary>
    public TimeSpan HeaderTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A connection that nobody asks anything on for so long is closed.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A body that comes, or an answer that is read, slower than this is given up; calls that stream requests (gRPC) may pause.</summary>
    public double MinBytesPerSecond { get; init; } = 240;

    /// <summary>For so long it may be slower.</summary>
    public TimeSpan SlowGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Calls of one connection at once.</summary>
    public int MaxStreamsPerConnection { get; init; } = 128;

    /// <summary>Requests of one caller, on all its connections, without a reply; more are refused.</summary>
    public int MaxInFlightPerIdentity { get; init; } = 4096;

    /// <summary>Tasks of one session under way at once; one more is refused, as the session goes on.</summary>
    public int SessionWindow { get; init; } = 1024;

    /// <summary>Of one caller, on all its connections; more are refused with the time to wait. 0: as many as it likes.</summary>
    public int CallsPerSecondPerIdentity { get; init; }

    /// <summary>Bytes of one caller's requests that are handled now.</summary>
    public long MaxBufferedBytesPerIdentity { get; init; } = 256L << 20;

    /// <summary>Bytes of all callers' requests that are handled now.</summary>
    public long MaxBufferedBytes { get; init; } = 512L << 20;

    /// <summary>One request; what is over it is refused before it is read.</summary>
    public int MaxMessageBytes { get; init; } = (64 << 20) + (64 << 10);

    /// <summary>How long calls have to end when the node stops.</summary>
    public TimeSpan Farewell { get; init; } = TimeSpan.FromSeconds(2);

    internal OperationError? Busy() => new(ErrorCode.ResourceExhausted, $"{MaxInFlightPerIdentity} requests of this caller are being handled.", RetryAfterMs: 100);
}
