using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Contracts.Tasks;

/// <summary>
/// Where connections may go: HOST:PORT. HOST is a name, *.DOMAIN, an address, ADDRESS/BITS, or * (every name and every public
/// address); PORT may be *. Private, loopback, link-local and other addresses that are not of the internet are reached only where an
/// address or ADDRESS/BITS says so: a name that resolves to one gives nobody a way into the node's own network. Immutable.
/// </summary>
public sealed record Destination
{
    private const int MaxHost = 253;

    private Destination(string host, IPNetwork? addresses, int port)
    {
        Host = host;
        Addresses = addresses;
        Port = port;
    }

    /// <summary>Lower case; * or *.DOMAIN for many.</summary>
    public string Host { get; }

    /// <summary>Null: a name.</summary>
    public IPNetwork? Addresses { get; }

    /// <summary>0: every port.</summary>
    public int Port { get; }

    public override string ToString() =>
        $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{(Port == 0 ? "*" : Port.ToString(CultureInfo.InvariantCulture))}";

    /// <param name="text">As above; an IPv6 address stands in brackets.</param>
    /// <param name="why">What is wrong with it, and what may be written.</param>
    public static bool TryParse(string text, out Destination? destination, out string why)
    {
        ArgumentNullException.ThrowIfNull(text);
        destination = null;
        why = $"'{text}' is no destination: write HOST:PORT, for example example.com:443, 10.0.0.7:5432 or [2001:db8::1]:80";
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !TryReadPort(text[(colon + 1)..], out var port))
        {
            return false;
        }

        var host = text[..colon].ToLowerInvariant();
        var bracketed = host.Length > 2 && host[0] == '[' && host[^1] == ']';
        host = bracketed ? host[1..^1] : host.TrimEnd('.');
        if (ReadAddresses(host) is { } addresses)
        {
            destination = bracketed == (addresses.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6)
                ? new Destination(host.Contains('/', StringComparison.Ordinal) ? addresses.ToString() : addresses.BaseAddress.ToString(), addresses, port)
                : null;
            return destination is not null;
        }

        if (bracketed || !(host == "*" || IsName(host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host)))
        {
            return false;
        }

        destination = new Destination(host, null, port);
        return true;
    }

    /// <summary>Whether everything that <paramref name="other"/> allows is allowed by this one.</summary>
    public bool Covers(Destination other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (Port != 0 && Port != other.Port)
        {
            return false;
        }

        if (other.Addresses is { } addresses)
        {
            return Addresses is { } mine
                ? mine.PrefixLength <= addresses.PrefixLength && mine.Contains(addresses.BaseAddress)
                : Host == "*" && addresses.PrefixLength == (addresses.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 32 : 128) && IsPublic(addresses.BaseAddress);
        }

        return Addresses is null && (Host == "*" || Host == other.Host || (other.Host != "*" && IsBelow(other.Host)));
    }

    /// <summary>Whether a connection that is asked for by this name or address may be tried; what a name resolves to is for <see cref="AllowsAddress"/>.</summary>
    public bool Matches(string host, IPAddress? literal, int port)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (Port != 0 && Port != port)
        {
            return false;
        }

        return literal is not null
            ? AllowsAddress(literal, port)
            : Addresses is null && (Host == "*" || Host == host.ToLowerInvariant().TrimEnd('.') || IsBelow(host.ToLowerInvariant().TrimEnd('.')));
    }

    /// <summary>Whether this destination by itself opens the way to an address: one that it names, or a public one under *.</summary>
    public bool AllowsAddress(IPAddress address, int port) =>
        (Port == 0 || Port == port) && (Addresses is { } mine ? mine.Contains(address) : Host == "*" && IsPublic(address));

    /// <summary>Of the internet: not private, loopback, link-local, shared, multicast, reserved, or a way around those (6to4, Teredo, NAT64).</summary>
    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        foreach (var network in address.AddressFamily == AddressFamily.InterNetwork ? NotOfTheInternet4 : NotOfTheInternet6)
        {
            if (network.Contains(address))
            {
                return false;
            }
        }

        return address.AddressFamily == AddressFamily.InterNetwork || GlobalUnicast6.Contains(address);
    }

    private bool IsBelow(string host) => Host.StartsWith("*.", StringComparison.Ordinal) && host.EndsWith(Host[1..], StringComparison.Ordinal) && host.Length > Host.Length - 1;

    private static bool TryReadPort(string text, out int port)
    {
        port = 0;
        return text == "*" || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65_535);
    }

    private static IPNetwork? ReadAddresses(string host)
    {
        if (host.Contains('/', StringComparison.Ordinal))
        {
            return IPNetwork.TryParse(host, out var network) ? network : null;
        }

        return IPAddress.TryParse(host, out var address) ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128) : null;
    }

    private static bool IsName(string host) =>
        host.Length is > 0 and <= MaxHost && host.Split('.').All(static part =>
            part.Length is > 0 and <= 63 && part[0] != '-' && part[^1] != '-' && part.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));

    private static readonly IPNetwork GlobalUnicast6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] NotOfTheInternet6 =
        [IPNetwork.Parse("2001::/23"), IPNetwork.Parse("2001:db8::/32"), IPNetwork.Parse("2002::/16"), IPNetwork.Parse("3fff::/20")];

    private static readonly IPNetwork[] NotOfTheInternet4 =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("127.0.0.0/8"),
        IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.0.0.0/24"), IPNetwork.Parse("192.0.2.0/24"),
        IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("198.18.0.0/15"), IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("203.0.113.0/24"),
        IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("240.0.0.0/4"),
    ];
}
