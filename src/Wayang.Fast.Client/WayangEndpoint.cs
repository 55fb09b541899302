using System.Globalization;

namespace Wayang.Fast.Client;

/// <summary>Where a node answers: a unix socket, or a port of a host.</summary>
public sealed record WayangEndpoint
{
    public const int DefaultPort = 7800;

    private const string TcpScheme = "tcp://";
    private const string TlsScheme = "tls://";
    private const string UnixScheme = "unix://";

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

    public static WayangEndpoint Unix(string path) => new(path, "", 0);

    public static WayangEndpoint Tcp(string host, int port = DefaultPort) => new(socketPath: null, host, port);

    public static WayangEndpoint Tls(string host, int port = DefaultPort) => new(socketPath: null, host, port, isTls: true);

    /// <summary>Reads <c>tcp://HOST[:PORT]</c>, <c>tls://HOST[:PORT]</c>, <c>unix:///PATH</c> or an absolute path; null for anything else.</summary>
    public static WayangEndpoint? TryParse(string text)
    {
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

    public override string ToString() => SocketPath
        ?? string.Create(CultureInfo.InvariantCulture, $"{(IsTls ? TlsScheme : TcpScheme)}{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");
}
