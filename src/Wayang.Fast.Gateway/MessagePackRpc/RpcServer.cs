using System.Collections.Concurrent;
using System.Net.Sockets;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// MessagePack-RPC on a unix socket. With DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1 the hot operations run on the
/// thread that saw the bytes; without it everything works alike, a hop slower.
/// </summary>
public sealed partial class RpcServer : IAsyncDisposable
{
    private const int BusyRetryMs = 1000;
    private static readonly TimeSpan s_sweepPeriod = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<RpcConnection, bool> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly SocketAsyncEventArgs _acceptArgs = new(true);
    private ITimer? _sweeper;
    private int _count;
    private int _acceptStalled;
    private int _disposed;

    private RpcServer(RpcServerOptions options, ITaskService tasks, TimeProvider time)
    {
        Options = options;
        Tasks = tasks;
        Time = time;
        Budget = new ByteBudget(options.MaxBufferedBytes);
        Cold = new ColdThreads(options.MaxColdThreads);
        _acceptArgs.Completed += (_, _) =>
        {
            if (TakeAccepted())
            {
                AcceptLoop();
            }
        };
    }

    public RpcServerOptions Options { get; }

    public int ConnectionCount => Volatile.Read(ref _count);

    /// <summary>Bytes held beyond the connections' initial buffers.</summary>
    public long BufferedBytes => Budget.Used;

    internal ITaskService Tasks { get; }

    internal TimeProvider Time { get; }

    internal ByteBudget Budget { get; }

    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>Binds, listens and accepts. A leftover file of a dead server is replaced; a live server's is not.</summary>
    /// <exception cref="IOException">Another server answers at the path, or it cannot be bound.</exception>
    public static RpcServer Start(RpcServerOptions options, ITaskService tasks, TimeProvider? time = null)
    {
        var server = new RpcServer(options, tasks, time ?? TimeProvider.System);
        try
        {
            server.Listen();
        }
        catch
        {
            server._listener.Dispose();
            server._acceptArgs.Dispose();
            server._stopping.Dispose();
            throw;
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.CancelAsync();
        _listener.Dispose();
        if (_sweeper is not null)
        {
            await _sweeper.DisposeAsync();
        }

        foreach (var connection in _connections.Keys)
        {
            connection.Close();
        }

        Cold.Dispose();
        File.Delete(Options.SocketPath);
        _stopping.Dispose();
    }

    internal void Remove(RpcConnection connection)
    {
        if (_connections.TryRemove(connection, out _))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private void Listen()
    {
        var path = Options.SocketPath;
        if (File.Exists(path))
        {
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

        try
        {
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, Options.SocketMode);
            }

            _listener.Listen(Options.Backlog);
        }
        catch (SocketException failure)
        {
            throw new IOException($"Cannot listen at {path}: {failure.Message}", failure);
        }

        _sweeper = Time.CreateTimer(static state => ((RpcServer)state!).Sweep(), this, s_sweepPeriod, s_sweepPeriod);
        AcceptLoop();
    }

    private void AcceptLoop()
    {
        try
        {
            while (Volatile.Read(ref _disposed) == 0)
            {
                _acceptArgs.AcceptSocket = null;
                if (_listener.AcceptAsync(_acceptArgs))
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
            Admit(socket);
            return true;
        }

        // Out of descriptors, usually: the sweeper tries again, so that this does not spin.
        Volatile.Write(ref _acceptStalled, 1);
        return false;
    }

    private void Admit(Socket socket)
    {
        socket.Blocking = false;
        var peer = PeerCredentials.Of(socket);
        if (peer is null || Options.Authorize(peer) is not { } tenant)
        {
            Refuse(socket, new(ErrorCode.PermissionDenied,
                $"User {peer?.UserId} may not use this runtime: ask for membership in its group, or start one of your own."));
            return;
        }

        if (Interlocked.Increment(ref _count) > Options.MaxConnections)
        {
            Interlocked.Decrement(ref _count);
            Refuse(socket, new(ErrorCode.ResourceExhausted, $"{Options.MaxConnections} connections are open.", RetryAfterMs: BusyRetryMs));
            return;
        }

        var connection = new RpcConnection(this, socket, tenant);
        _connections[connection] = true;
        if (Volatile.Read(ref _disposed) != 0)
        {
            connection.Close();
        }

        connection.Start();
    }

    /// <summary>Tells why before any request came: an answer to message 0, which no client of ours uses.</summary>
    private static void Refuse(Socket socket, OperationError error)
    {
        using (socket)
        using (var buffer = new PooledBuffer(512))
        {
            var writer = new MessagePackWriter(buffer);
            ReplyEncoder.Error(ref writer, 0, error);
            writer.Commit();
            socket.Send(buffer.WrittenSpan, SocketFlags.None, out _);
        }
    }

    private void Sweep()
    {
        var now = Environment.TickCount64;
        foreach (var connection in _connections.Keys)
        {
            connection.Sweep(now);
        }

        if (Interlocked.Exchange(ref _acceptStalled, 0) == 1)
        {
            AcceptLoop();
        }
    }
}
