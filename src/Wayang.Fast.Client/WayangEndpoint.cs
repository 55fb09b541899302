using System.Globalization;

namespace Wayang.Fast.Client;

/// <summary>Where a node answers: a unix socket, or a port of a host.</summary>
public sealed record WayangEndpoint
{
    public const int DefaultPort = 7800;

    private const string TcpScheme = "tcp://";
    private const string TlsScheme = "tls://";
    private const string UnixScheme = "unix://";
    private const string GrpcScheme = "grpc://";
    private const string GrpcTlsScheme = "grpcs://";
    private const string GrpcUnixScheme = "grpc+unix://";

    private WayangEndpoint(string? socketPath, string host, int port, bool isTls = false)
    {
        IsTls = isTls;
        SocketPath = socketPath;
        Host = host;
        Port = port;
    }

    /// <summary>Null for TCP.</summary>
    public string? SocketPath { get; }

    /// <summary>Empty for a unix socket.</summary>
    public string Host { get; }

    public int Port { get; }

    public bool IsTcp => SocketPath is null;

    /// <summary>TCP, and encrypted.</summary>
    public bool IsTls { get; }

    /// <summary>gRPC is spoken there; else MessagePack-RPC.</summary>
    public bool IsGrpc { get; private init; }

    /// <summary>The same place, where gRPC is spoken.</summary>
    public WayangEndpoint OverGrpc() => this with { IsGrpc = true };

    public static WayangEndpoint Unix(string path) => new(path, "", 0);

    public static WayangEndpoint Tcp(string host, int port = DefaultPort) => new(socketPath: null, host, port);

    public static WayangEndpoint Tls(string host, int port = DefaultPort) => new(socketPath: null, host, port, isTls: true);

    /// <summary>
    /// Reads <c>tcp://HOST[:PORT]</c>, <c>tls://HOST[:PORT]</c>, <c>unix:///PATH</c> or an absolute path, and <c>grpc://HOST:PORT</c>, <c>grpcs://HOST:PORT</c> (encrypted) or
    /// <c>grpc+unix:///PATH</c> for gRPC; null for anything else.
    /// </summary>
    public static WayangEndpoint? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var (scheme, plain) in ((string, string)[])[(GrpcScheme, TcpScheme), (GrpcTlsScheme, TlsScheme), (GrpcUnixScheme, UnixScheme)])
        {
            if (text.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            {
                var found = TryParse(plain + text[scheme.Length..]);
                return found is { IsTcp: true } && !HasPort(text) ? null : found?.OverGrpc();
            }
        }

        if (text.StartsWith('/'))
        {
            return Unix(text);
        }

        if (text.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase))
        {
            return text.Length > UnixScheme.Length && text[UnixScheme.Length] == '/' ? Unix(text[UnixScheme.Length..]) : null;
        }

        var isTls = text.StartsWith(TlsScheme, StringComparison.OrdinalIgnoreCase);
        if (!isTls && !text.StartsWith(TcpScheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        // An address of version 6 stands in brackets: its colons separate no port.
        var place = text[(isTls ? TlsScheme : TcpScheme).Length..].TrimEnd('/');
        var colon = place.EndsWith(']') ? -1 : place.LastIndexOf(':');
        var host = (colon < 0 ? place : place[..colon]).Trim('[', ']');
        var port = DefaultPort;
        return host.Length > 0 && !host.Contains('/', StringComparison.Ordinal)
            && (colon < 0 || (int.TryParse(place[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= ushort.MaxValue))
            ? new WayangEndpoint(socketPath: null, host, port, isTls)
            : null;
    }

    public override string ToString() => SocketPath is { } path ? (IsGrpc ? GrpcUnixScheme : string.Empty) + path
        : string.Create(CultureInfo.InvariantCulture, $"{Scheme}{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");

    private string Scheme => (IsGrpc, IsTls) switch
    {
        (true, true) => GrpcTlsScheme,
        (true, false) => GrpcScheme,
        (false, true) => TlsScheme,
        _ => TcpScheme,
    };

    /// <summary>A door of gRPC has no port of its own unless the configuration names one.</summary>
    private static bool HasPort(string text) => text.TrimEnd('/') is var place && place.LastIndexOf(':') is var colon && colon > place.LastIndexOf('/') && colon > place.LastIndexOf(']');
}
