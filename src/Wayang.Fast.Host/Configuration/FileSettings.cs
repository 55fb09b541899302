using Wayang.Fast.Execution;
using Wayang.Fast.Gateway.Webhooks;
using Wayang.Fast.Host.Oci;
using Wayang.Fast.Host.Profiles;

namespace Wayang.Fast.Host.Configuration;

/// <summary>What the configuration says; null where it says nothing. The command line goes before it.</summary>
public sealed record FileSettings
{
    public string? SocketPath { get; init; }

    /// <summary>0: no HTTP.</summary>
    public int? HttpPort { get; init; }

    public RpcTcpSettings RpcTcp { get; init; } = new();

    public DoorSettings Grpc { get; init; } = new();

    public DoorSettings Rest { get; init; } = new();

    public TlsSettings Tls { get; init; } = new();

    /// <summary>Somebody may come over TCP and show a token.</summary>
    public bool AsksForTokens => RpcTcp.Address is not null || Grpc.Address is not null || Rest.Address is not null;

    /// <summary>Of one caller, over each kind of door; 0: as many as it likes.</summary>
    public int CallsPerSecond { get; init; }

    /// <summary>At each door.</summary>
    public int Connections { get; init; } = 1024;

    /// <summary>Of one caller at each door.</summary>
    public int ConnectionsPerCaller { get; init; } = 512;

    /// <summary>Of one address at each door over HTTP.</summary>
    public int ConnectionsPerAddress { get; init; } = 512;

    /// <summary>Where the node keeps what outlives it; empty: nowhere.</summary>
    public string StateDirectory { get; init; } = string.Empty;

    public LedgerSettings Ledger { get; init; } = new();

    public AuditSettings Audit { get; init; } = new();

    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>Where writable space of tasks is made on the disk; empty: the default of who starts the runtime.</summary>
    public string DiskDirectory { get; init; } = string.Empty;

    /// <summary>Where images of a layout are unpacked; empty: the default of who starts the runtime.</summary>
    public string OciStore { get; init; } = string.Empty;

    public OciBounds OciBounds { get; init; } = new();

    public RuntimeOptions Runtime { get; init; } = DefaultRuntime;

    /// <summary>Images that the runtime has from its start.</summary>
    public IReadOnlyList<ConfiguredImage> Images { get; init; } = [];

    /// <summary>Profiles that are tighter than one of the policy's; also in <see cref="Runtime"/>.</summary>
    public IReadOnlyList<ConfiguredProfile> Profiles { get; init; } = [];

    /// <summary>Tenants with terms of their own, and those of all others; also in <see cref="Runtime"/>.</summary>
    public IReadOnlyList<ConfiguredTenant> Tenants { get; init; } = [];

    /// <summary>How often each peer is asked whether it is there.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The nodes beside this one.</summary>
    public IReadOnlyList<ConfiguredPeer> Peers { get; init; } = [];

    private static readonly RuntimeOptions DefaultRuntime = new();
}
