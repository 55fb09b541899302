using System.Net.Sockets;
using System.Security.Cryptography;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>Two sockets of this process that are connected with each other.</summary>
internal static class ConnectedPair
{
    private const int NameBytes = 16;

    /// <summary>Makes them; both are the caller's.</summary>
    /// <exception cref="SocketException">There are no descriptors left, or another process was quicker than we.</exception>
    public static (Socket First, Socket Second) Make()
    {
        // A name that no file stands for and nobody can guess; who connects is looked at all the same.
        var place = new UnixDomainSocketEndPoint("\0wayang-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(NameBytes)));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(place);
        listener.Listen(1);
        var first = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Socket? second = null;
        try
        {
            first.Connect(place);
            second = listener.Accept();
            return PeerCredentials.Of(second)?.ProcessId == Environment.ProcessId ? (first, second) : throw new SocketException((int)SocketError.ConnectionRefused);
        }
        catch
        {
            first.Dispose();
            second?.Dispose();
            throw;
        }
    }
}
