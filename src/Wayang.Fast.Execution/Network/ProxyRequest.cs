using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Wayang.Fast.Execution.Network;

/// <summary>What a client asked a proxy for: HTTP CONNECT, HTTP with an absolute address, or SOCKS5. Everything read is foreign.</summary>
/// <param name="Host">A name, or an address as it was written.</param>
/// <param name="Forward">Sent to the destination first: the head of a request with an absolute address, made relative.</param>
internal sealed record ProxyRequest(ProxyKind Kind, string Host, int Port, byte[] Forward)
{
    private const int MaxHead = 16 << 10;
    private const byte Socks5 = 5;
    private const byte SocksConnect = 1;

    /// <returns>Null: it is none; the connection is closed.</returns>
    public static async Task<ProxyRequest?> ReadAsync(NetworkStream client, CancellationToken cancellation)
    {
        var buffer = new byte[MaxHead];
        await client.ReadExactlyAsync(buffer.AsMemory(0, 1), cancellation).ConfigureAwait(false);
        return buffer[0] == Socks5
            ? await ReadSocksAsync(client, buffer, cancellation).ConfigureAwait(false)
            : await ReadHttpAsync(client, buffer, cancellation).ConfigureAwait(false);
    }

    private static async Task<ProxyRequest?> ReadSocksAsync(NetworkStream client, byte[] buffer, CancellationToken cancellation)
    {
        // Version was read; count of methods, methods. Ours is "none": who may use it is who stands in the namespace.
        await client.ReadExactlyAsync(buffer.AsMemory(0, 1), cancellation).ConfigureAwait(false);
        await client.ReadExactlyAsync(buffer.AsMemory(1, buffer[0]), cancellation).ConfigureAwait(false);
        await client.WriteAsync(new byte[] { Socks5, 0 }, cancellation).ConfigureAwait(false);
        await client.ReadExactlyAsync(buffer.AsMemory(0, 4), cancellation).ConfigureAwait(false);
        if (buffer[0] != Socks5 || buffer[1] != SocksConnect)
        {
            await client.WriteAsync(new byte[] { Socks5, 7, 0, 1, 0, 0, 0, 0, 0, 0 }, cancellation).ConfigureAwait(false); // command not supported
            return null;
        }

        var kind = buffer[3];
        var length = kind switch { 1 => 4, 4 => 16, 3 => -1, _ => 0 };
        if (length < 0)
        {
            await client.ReadExactlyAsync(buffer.AsMemory(0, 1), cancellation).ConfigureAwait(false);
            length = buffer[0];
        }

        if (length == 0)
        {
            return null;
        }

        await client.ReadExactlyAsync(buffer.AsMemory(0, length + 2), cancellation).ConfigureAwait(false);
        var host = kind == 3 ? Encoding.Latin1.GetString(buffer, 0, length) : new IPAddress(buffer.AsSpan(0, length)).ToString();
        var port = BinaryPrimitives.ReadUInt16BigEndian(buffer.AsSpan(length));
        return port == 0 ? null : new ProxyRequest(ProxyKind.Socks, host, port, []);
    }

    /// <summary>Reads the head to its empty line, byte by byte at its end: what follows belongs to the destination.</summary>
    private static async Task<ProxyRequest?> ReadHttpAsync(NetworkStream client, byte[] buffer, CancellationToken cancellation)
    {
        var filled = 1;
        while (filled < buffer.Length && !buffer.AsSpan(0, filled).EndsWith("\r\n\r\n"u8))
        {
            var got = await client.ReadAsync(buffer.AsMemory(filled, 1), cancellation).ConfigureAwait(false);
            if (got == 0)
            {
                return null;
            }

            filled += got;
        }

        var lines = Encoding.Latin1.GetString(buffer, 0, filled).Split("\r\n");
        var words = lines[0].Split(' ');
        if (words is not [var method, var target, var version] || !version.StartsWith("HTTP/1.", StringComparison.Ordinal))
        {
            return null;
        }

        if (method == "CONNECT")
        {
            return TrySplit(target, 0, out var host, out var port) ? new ProxyRequest(ProxyKind.Connect, host, port, []) : null;
        }

        const string scheme = "http://";
        if (!target.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var rest = target[scheme.Length..];
        var slash = rest.IndexOfAny(['/', '?']);
        var authority = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? "/" : rest[slash] == '/' ? rest[slash..] : "/" + rest[slash..];
        if (!TrySplit(authority[(authority.LastIndexOf('@') + 1)..], 80, out var name, out var number))
        {
            return null;
        }

        // One request a connection: the next may be for another destination.
        var kept = lines.Skip(1).TakeWhile(static l => l.Length > 0).Where(static l =>
            !l.StartsWith("Proxy-", StringComparison.OrdinalIgnoreCase) && !l.StartsWith("Connection:", StringComparison.OrdinalIgnoreCase));
        var head = $"{method} {path} {version}\r\n{string.Concat(kept.Select(static l => l + "\r\n"))}Connection: close\r\n\r\n";
        return new ProxyRequest(ProxyKind.Http, name, number, Encoding.Latin1.GetBytes(head));
    }

    private static bool TrySplit(string authority, int usualPort, out string host, out int port)
    {
        (host, port) = (authority, usualPort);
        var colon = authority.LastIndexOf(':');
        if (colon > authority.LastIndexOf(']'))
        {
            host = authority[..colon];
            if (!int.TryParse(authority[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port))
            {
                return false;
            }
        }

        host = host.Length > 2 && host[0] == '[' && host[^1] == ']' ? host[1..^1] : host;
        return host.Length is > 0 and <= 255 && port is >= 1 and <= 65_535;
    }
}

internal enum ProxyKind
{
    Connect,
    Http,
    Socks,
}
