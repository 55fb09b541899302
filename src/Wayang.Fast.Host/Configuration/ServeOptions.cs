using Wayang.Fast.Execution;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Everything the daemon is started with: the command line over the configuration file over the defaults.</summary>
public sealed record ServeOptions
{
    /// <summary>Absolute path of the MessagePack-RPC socket.</summary>
    public required string SocketPath { get; init; }

    /// <summary>The directory that holds the socket and the instance's lock; made by the keeper.</summary>
    public required string RuntimeDirectory { get; init; }

    /// <summary>Where the native programs, libwayang.so and policy/ lie.</summary>
    public required string NativeDirectory { get; init; }

    public required string PolicyDirectory { get; init; }

    /// <summary>Names the instance's groups and mounts: [A-Za-z0-9._-]{1,32}.</summary>
    public required string Instance { get; init; }

    /// <summary>A runtime of one caller: it opens no TCP port and ends with its starter.</summary>
    public bool IsPrivate { get; init; }

    /// <summary>The uid of whoever started the runtime: allowed to connect beside root and the group wayang.</summary>
    public required uint StarterUid { get; init; }

    /// <summary>Health over HTTP on the loopback address; null: no TCP port at all.</summary>
    public int? HttpPort { get; init; } = DefaultHttpPort;

    /// <summary>MessagePack-RPC over TCP; without an address there is none.</summary>
    public RpcTcpSettings RpcTcp => Settings.RpcTcp;

    /// <summary>What the file of tokens said when whoever started the runtime read it; null when nobody did.</summary>
    public string? TokensText { get; init; }

    /// <summary>What the files of <c>tls</c> said; null without TLS.</summary>
    public TlsTexts? Tls { get; init; }

    /// <summary>The file that was read, or null.</summary>
    public string? ConfigurationFile { get; init; }

    public RuntimeOptions Runtime => Settings.Runtime;

    public string StateDirectory => Settings.StateDirectory;

    /// <summary>All that was configured; what a reload is compared with.</summary>
    public FileSettings Settings { get; init; } = new();

    /// <summary>Put before anything is served.</summary>
    public IReadOnlyList<LoadedImage> Images { get; init; } = [];

    public const int DefaultHttpPort = 7801;
}
