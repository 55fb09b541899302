using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>Bounds of the MessagePack-RPC server. Every one of them closes or refuses, none grows.</summary>
public sealed record RpcServerOptions
{
    /// <summary>The socket's path; its directory exists and is closed to strangers (0750 or tighter).</summary>
    public required string SocketPath { get; init; }

    /// <summary>Says which tenant a peer is, or null for one that may not come in.</summary>
    public required Func<PeerCredentials, int?> Authorize { get; init; }

    /// <summary>What a peer of the unix socket may do.</summary>
    public Func<PeerCredentials, OperationScopes> ScopesOf { get; init; } = static _ => OperationScopes.All;

    /// <summary>Told of an exception that a request brought to light; the peer gets the code internal. Must not throw.</summary>
    public Action<Exception>? OnDefect { get; init; }

    /// <summary>Told of what an operator should look at. Must not throw.</summary>
    public Action<string>? OnWarning { get; init; }

    /// <summary>TCP beside the unix socket; null: none.</summary>
    public RpcTcpOptions? Tcp { get; init; }

    /// <summary>The nodes beside this one; null: there are none.</summary>
    public INodeMembership? Membership { get; init; }

    /// <summary>Lets calls go on at other nodes; null: none does.</summary>
    public ITaskMoves? Moves { get; init; }

    /// <summary>Null: the node cannot be drained.</summary>
    public INodeDrain? Drain { get; init; }

    /// <summary>Other nodes' calls that go on here; null: none does.</summary>
    public IHandoverHost? Visits { get; init; }

    /// <summary>Answers what operators ask (task.list, worker.list, pool.list, tenant.list, node.incidents); null: they are refused.</summary>
    public INodeMonitor? Monitor { get; init; }

    /// <summary>Pauses and changes tasks, and knows their groups; null: those operations are refused.</summary>
    public ITaskLife? Life { get; init; }

    /// <summary>The node's events; null: they are refused.</summary>
    public Core.Events.EventStream? Events { get; init; }

    /// <summary>The node's webhooks; null: they are refused.</summary>
    public Webhooks.WebhookDesk? Webhooks { get; init; }

    /// <summary>Told what operators do and are refused; null: nobody is.</summary>
    public Audit.AuditLog? Audit { get; init; }

    /// <summary>Threads of cold operations at most.</summary>
    public int MaxColdThreads { get; init; } = ColdThreads.DefaultCount;

    public FrameLimits Frame { get; init; } = new();

    /// <summary>Of all callers together, over both ways in.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Of one caller: a user of the unix socket, or the bearers of one token.</summary>
    public int MaxConnectionsPerIdentity { get; init; } = 512;

    /// <summary>Requests of one caller, on all its connections, without a reply; more are refused.</summary>
    public int MaxInFlightPerIdentity { get; init; } = 64 << 10;

    /// <summary>Of one caller, on all its connections; more are refused with the time to wait. 0: as many as it likes.</summary>
    public int CallsPerSecondPerIdentity { get; init; }

    /// <summary>One caller's share of <see cref="MaxBufferedBytes"/>.</summary>
    public long MaxBufferedBytesPerIdentity { get; init; } = 256L << 20;

    /// <summary>Requests of one connection without a reply; at the bound its socket is not read from.</summary>
    public int MaxInFlight { get; init; } = 1024;

    public int InitialBufferBytes { get; init; } = 32 << 10;

    /// <summary>Replies waiting for a peer from which on its socket is not read from.</summary>
    public int OutputPauseBytes { get; init; } = 1 << 20;

    /// <summary>Replies waiting for a peer from which on it is closed.</summary>
    public int MaxOutputBytes { get; init; } = 256 << 20;

    /// <summary>Bytes of all connections together in frames larger than the initial buffer and in copies for cold operations.</summary>
    public long MaxBufferedBytes { get; init; } = 512L << 20;

    /// <summary>A payload from this size on is handled on the thread pool: copying it would stall the other sockets.</summary>
    public int InlinePayloadBytes { get; init; } = 256 << 10;

    /// <summary>A peer that has replies waiting and reads none of them for so long is closed.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A peer that began a frame and sends no byte of it for so long is closed.</summary>
    public TimeSpan FrameTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A peer that asks nothing and awaits nothing for so long is closed.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromHours(1);

    public int Backlog { get; init; } = 4096;

    /// <summary>Mode of the socket's file: who may connect besides the directory's mode.</summary>
    public UnixFileMode SocketMode { get; init; } =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
}
