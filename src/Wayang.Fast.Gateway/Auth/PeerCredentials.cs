using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>Who is at the other end of a unix socket, as the kernel knows it since the connection was made.</summary>
public sealed record PeerCredentials(int ProcessId, uint UserId, uint GroupId, IReadOnlyList<uint> Groups)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SoPeerGroups = 59;
    private const int MaxGroups = 1024;

    /// <summary>Null when the kernel does not say: such a peer is a stranger.</summary>
    public static PeerCredentials? Of(Socket socket)
    {
        try
        {
            Span<int> ids = stackalloc int[3];
            if (socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(ids)) != 12)
            {
                return null;
            }

            return new(ids[0], (uint)ids[1], (uint)ids[2], GroupsOf(socket));
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static uint[] GroupsOf(Socket socket)
    {
        var groups = new uint[MaxGroups];
        try
        {
            var bytes = socket.GetRawSocketOption(SolSocket, SoPeerGroups, MemoryMarshal.AsBytes(groups.AsSpan()));
            return groups[..(bytes / sizeof(uint))];
        }
        catch (SocketException)
        {
            // Kernels before 4.13, or more groups than the bound: the primary group still counts.
            return [];
        }
    }
}

/// <summary>The usual answer to who a peer of a unix socket is: allowed users and groups, tenants by user.</summary>
public sealed record PeerPolicy
{
    public IReadOnlySet<uint> Users { get; init; } = new HashSet<uint> { 0 };

    public IReadOnlySet<uint> Groups { get; init; } = new HashSet<uint>();

    public IReadOnlyDictionary<uint, int> TenantOfUser { get; init; } = new Dictionary<uint, int>();

    public int DefaultTenant { get; init; }

    public int? TenantOf(PeerCredentials peer)
    {
        var allowed = Users.Contains(peer.UserId) || Groups.Contains(peer.GroupId) || peer.Groups.Any(Groups.Contains);
        return allowed ? TenantOfUser.GetValueOrDefault(peer.UserId, DefaultTenant) : null;
    }
}
