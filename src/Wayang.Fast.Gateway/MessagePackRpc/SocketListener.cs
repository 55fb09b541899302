using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>One place to listen at. Accepts until it is disposed of; each socket is handed on at once.</summary>
internal sealed class SocketListener : IDisposable
{
    private readonly Socket _socket;
    private readonly Action<Socket> _admit;
    private readonly SocketAsyncEventArgs _acceptArgs = new(true);
    private int _stalled;
    private int _disposed;

    private SocketListener(Socket socket, Action<Socket> admit)
    {
        _socket = socket;
        _admit = admit;
        _acceptArgs.Completed += (_, _) =>
        {
            if (TakeAccepted())
            {
                AcceptLoop();
            }
        };
    }

    public EndPoint? EndPoint => _socket.LocalEndPoint;

    /// <summary>A leftover file of a dead server is replaced; a live server's is not.</summary>
    /// <exception cref="IOException">Another server answers at the path, or it cannot be bound.</exception>
    public static SocketListener OnPath(string path, UnixFileMode mode, int backlog, Action<Socket> admit)
    {
        LeftoverSocket.Remove(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        return Listen(socket, path, admit, () =>
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, mode);
            }

            socket.Listen(backlog);
        });
    }

    /// <exception cref="IOException">The port is taken, the address is not this host's, or others could reach it and nobody said that they may.</exception>
    public static SocketListener OnTcp(RpcTcpOptions options, int backlog, Action<Socket> admit)
    {
        if (!options.AllowRemote && !IPAddress.IsLoopback(options.EndPoint.Address))
        {
            throw new IOException(
                $"{options.EndPoint} can be reached from other hosts{(options.Certificates is null ? ", and what travels there is not encrypted" : "")}. Listen on 127.0.0.1, "
                + "or say that it is meant so: allow_remote: true.");
        }

        var socket = new Socket(options.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        return Listen(socket, options.EndPoint.ToString(), admit, () =>
        {
            // No ReuseAddress: here it would set SO_REUSEPORT too, and two servers could share the port unknowingly.
            socket.Bind(options.EndPoint);
            socket.Listen(backlog);
        });
    }

    public void Start() => AcceptLoop();

    /// <summary>Accepts again where that failed: out of descriptors, usually. Called about once a second.</summary>
    public void Sweep()
    {
        if (Interlocked.Exchange(ref _stalled, 0) == 1)
        {
            AcceptLoop();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _socket.Dispose();
        }
    }

    private static SocketListener Listen(Socket socket, string place, Action<Socket> admit, Action bind)
    {
        try
        {
            bind();
            return new SocketListener(socket, admit);
        }
        catch (SocketException failure)
        {
            socket.Dispose();
            throw new IOException(
                failure.SocketErrorCode == SocketError.AddressAlreadyInUse
                    ? string.Create(CultureInfo.InvariantCulture, $"Cannot listen at {place}: something else does already. Stop it, or choose another place.")
                    : $"Cannot listen at {place}: {failure.Message}",
                failure);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void AcceptLoop()
    {
        try
        {
            while (Volatile.Read(ref _disposed) == 0)
            {
                _acceptArgs.AcceptSocket = null;
                if (_socket.AcceptAsync(_acceptArgs))
                {
                    return;
                }

                if (!TakeAccepted())
                {
                    return;
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The server stops.
        }
    }

    private bool TakeAccepted()
    {
        if (_acceptArgs.SocketError == SocketError.Success && _acceptArgs.AcceptSocket is { } socket)
        {
            _admit(socket);
            return true;
        }

        // The sweeper tries again, so that this does not spin.
        Volatile.Write(ref _stalled, 1);
        return false;
    }
}
