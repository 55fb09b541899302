using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Perf.Rpc;

/// <summary>
/// The limit's other side: a blocking thread that answers every whole request of a receive with as many replies in one
/// send. Serves one connection, then ends.
/// </summary>
internal sealed class EchoServer : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-echo-");
    private readonly Socket _listener;
    private readonly Thread _thread;

    /// <param name="overTcp">On a free port of the loopback address; else on a unix socket.</param>
    public EchoServer(int requestBytes, int replyBytes, int cpu, Action<int> pin, bool overTcp = false)
    {
        _listener = overTcp
            ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(overTcp ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(System.IO.Path.Combine(_directory.FullName, "echo.sock")));
        _listener.Listen(1);
        Place = _listener.LocalEndPoint!;
        _thread = new Thread(() =>
        {
            pin(cpu);
            Serve(requestBytes, replyBytes);
        })
        {
            IsBackground = true,
        };
        _thread.Start();
    }

    public EndPoint Place { get; }

    public void Dispose()
    {
        _listener.Dispose();
        _thread.Join();
        _directory.Delete(recursive: true);
    }

    private void Serve(int requestBytes, int replyBytes)
    {
        try
        {
            using var socket = _listener.Accept();
            if (socket.ProtocolType == ProtocolType.Tcp)
            {
                socket.NoDelay = true;
            }

            var buffer = new byte[64 << 10];
            var replies = new byte[((buffer.Length / requestBytes) + 1) * replyBytes];
            var rest = 0;
            while (true)
            {
                var count = socket.Receive(buffer);
                if (count == 0)
                {
                    return;
                }

                rest += count;
                var whole = rest / requestBytes;
                rest %= requestBytes;
                if (whole > 0)
                {
                    socket.Send(replies.AsSpan(0, whole * replyBytes));
                }
            }
        }
        catch (SocketException)
        {
            // The measuring side is done.
        }
        catch (ObjectDisposedException)
        {
            // It ended before it connected.
        }
    }
}
