using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>
/// Which addresses may be told: those of the public internet. Whoever makes a webhook chooses where the daemon connects to, so without this it could be sent to
/// what trusts its host or its network. Of IPv6 only what is given out to networks is open; what holds an IPv4 address inside is not, whatever that is.
/// </summary>
internal static class AddressGuard
{
    private static readonly (IPNetwork Network, string What)[] s_closed =
    [
        Closed("0.0.0.0/8", "of this host"), Closed("10.0.0.0/8", "private"), Closed("100.64.0.0/10", "shared by carriers"), Closed("127.0.0.0/8", "of this host"),
        Closed("169.254.0.0/16", "link-local"), Closed("172.16.0.0/12", "private"), Closed("192.0.0.0/24", "reserved"), Closed("192.0.2.0/24", "of documentation"),
        Closed("192.88.99.0/24", "of 6to4 relays"), Closed("192.168.0.0/16", "private"), Closed("198.18.0.0/15", "of benchmarks"), Closed("198.51.100.0/24", "of documentation"),
        Closed("203.0.113.0/24", "of documentation"), Closed("224.0.0.0/4", "multicast"), Closed("240.0.0.0/4", "reserved"),
        Closed("2001::/23", "of a protocol (Teredo and others)"), Closed("2001:db8::/32", "of documentation"), Closed("2002::/16", "6to4"), Closed("3fff::/20", "of documentation"),
    ];

    /// <summary>2000::/3 is what is given out to networks.</summary>
    private const int GlobalPrefix = 1;
    private const int GlobalShift = 5;

    /// <summary>Nobody is there, or many are.</summary>
    private static readonly IPNetwork[] s_never = [IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("255.255.255.255/32"), IPNetwork.Parse("ff00::/8")];

    /// <summary>What keeps an address from being told, in a word; null: nothing.</summary>
    public static string? Refuse(IPAddress address, bool allowPrivate)
    {
        if (allowPrivate)
        {
            var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
            return plain.Equals(IPAddress.IPv6Any) || Array.Exists(s_never, network => network.Contains(plain)) ? "no single host's" : null;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            return "an IPv4 address inside IPv6";
        }

        if (address.AddressFamily == AddressFamily.InterNetworkV6 && address.GetAddressBytes()[0] >> GlobalShift != GlobalPrefix)
        {
            return "not of the public internet";
        }

        var closed = Array.FindIndex(s_closed, entry => entry.Network.Contains(address));
        return closed < 0 ? null : s_closed[closed].What;
    }

    private static (IPNetwork Network, string What) Closed(string network, string what) => (IPNetwork.Parse(network), what);
}
