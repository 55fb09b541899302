using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Both ends of a connection, as a node and another have them.</summary>
internal sealed class ConnectedStreams : IDisposable
{
    public ConnectedStreams(TimeSpan? patience = null)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var near = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.Connect((IPEndPoint)listener.LocalEndpoint);
        var far = listener.AcceptSocket();
        far.NoDelay = true;
        var milliseconds = (int)(patience ?? TestNode.Patience).TotalMilliseconds;
        Near = new NetworkStream(near, ownsSocket: true) { ReadTimeout = milliseconds, WriteTimeout = milliseconds };
        Far = new NetworkStream(far, ownsSocket: true) { ReadTimeout = milliseconds, WriteTimeout = milliseconds };
    }

    public Stream Near { get; }

    public Stream Far { get; }

    public void Dispose()
    {
        Near.Dispose();
        Far.Dispose();
    }
}
