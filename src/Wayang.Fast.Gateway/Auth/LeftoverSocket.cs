using System.Net.Sockets;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>The file of a unix socket whose server is dead: it keeps the next one from the place.</summary>
internal static class LeftoverSocket
{
    /// <exception cref="IOException">A live server answers there.</exception>
    public static void Remove(string path)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            throw new IOException($"Another server answers at {path}.");
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
    }
}
