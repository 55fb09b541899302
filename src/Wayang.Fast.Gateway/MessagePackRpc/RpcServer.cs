using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// MessagePack-RPC on a unix socket, whose peers the kernel knows, and where asked for on TCP, whose peers show a token. Once
/// a connection has its session both are the same. With DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1 the hot operations run
/// on the thread that saw the bytes; without it everything works alike, a hop slower.
/// </summary>
public sealed partial class RpcServer : IAsyncDisposable
{
    /// <summary>What the audit log calls it.</summary>
    private const string Door = "messagepack";
    private const string SessionOpen = "session.open";
    private const int BusyRetryMs = 1000;
    private const int NoTenant = -1;
    private static readonly TimeSpan s_sweepPeriod = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<RpcConnection, bool> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<SocketListener> _listeners = [];
    private readonly IdentityTable _identities;
    private ITimer? _sweeper;
    private int _count;
    private readonly UnopenedPlaces? _unopened;
    private long _ignoredNotifications;
    private long _refusedTokens;
    private int _disposed;

    private RpcServer(RpcServerOptions options, ITaskService tasks, TimeProvider time)
    {
        Options = options;
        Tasks = tasks;
        Time = time;
        Budget = new ByteBudget(options.MaxBufferedBytes);
        _identities = new IdentityTable(
            new IdentityBounds(options.MaxConnectionsPerIdentity, options.MaxInFlightPerIdentity, options.MaxBufferedBytesPerIdentity, options.CallsPerSecondPerIdentity), Budget);
        Ports = new OperationPorts(tasks, options.Monitor, options.Life) { Events = options.Events, Webhooks = options.Webhooks, Membership = options.Membership, Moves = options.Moves, Drain = options.Drain, Visits = options.Visits };
        Cold = new ColdThreads(options.MaxColdThreads);
        _unopened = options.Tcp is { } tcp ? new UnopenedPlaces(tcp.MaxUnopened, tcp.UnopenedGrace, time) : null;
    }

    public RpcServerOptions Options { get; }

    public int ConnectionCount => Volatile.Read(ref _count);

    /// <summary>Where TCP is served, also when any free port was asked for; null without TCP.</summary>
    public IPEndPoint? TcpEndPoint { get; private set; }

    /// <summary>Bytes held beyond the connections' initial buffers.</summary>
    public long BufferedBytes => Budget.Used;

    /// <summary>Notifications that clients sent: none asks for anything, so they are counted and stepped over.</summary>
    public long IgnoredNotifications => Interlocked.Read(ref _ignoredNotifications);

    /// <summary>Tokens that were unknown or had expired.</summary>
    public long RefusedTokens => Interlocked.Read(ref _refusedTokens);

    internal ITaskService Tasks { get; }

    internal OperationPorts Ports { get; }

    internal TimeProvider Time { get; }

    internal ByteBudget Budget { get; }

    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>Binds, listens and accepts.</summary>
    /// <exception cref="IOException">A place cannot be listened at; the message says which, why and what to do.</exception>
    public static RpcServer Start(RpcServerOptions options, ITaskService tasks, TimeProvider? time = null)
    {
        var server = new RpcServer(options, tasks, time ?? TimeProvider.System);
        try
        {
            server.Listen();
        }
        catch
        {
            server._listeners.ForEach(static listener => listener.Dispose());
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
        _listeners.ForEach(static listener => listener.Dispose());
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

    /// <summary>Looks at the tokens again: sessions whose token is gone, changed or expired end. Also done about once a second.</summary>
    /// <exception cref="IOException">The file of tokens cannot be read or used; the former tokens stay in force.</exception>
    public void ReloadTokens()
    {
        Options.Tcp?.Tokens.Reload();
        foreach (var connection in _connections.Keys)
        {
            connection.EndIfRevoked();
        }
    }

    internal void Remove(RpcConnection connection, Caller? ended)
    {
        if (_connections.TryRemove(connection, out _))
        {
            Interlocked.Decrement(ref _count);
            connection.Unopened?.Leave();
            if (ended is { } session)
            {
                _identities.Leave(session.Identity);
            }
        }
    }

    internal void CountNotification() => Interlocked.Increment(ref _ignoredNotifications);

    /// <summary>The session that a token opens, for a connection that has none.</summary>
    internal OperationError? OpenSession(RpcTcpOptions doors, ReadOnlySpan<byte> secret, CallerOrigin origin, out Caller? session)
    {
        session = null;
        if (doors.Tokens.Find(secret) is not { } token)
        {
            Interlocked.Increment(ref _refusedTokens);
            return CallerRefusals.UnknownToken();
        }

        return OpenSession(token, origin, out session);
    }

    private OperationError? OpenSession(AccessToken token, CallerOrigin origin, out Caller? session)
    {
        session = null;
        if (_identities.Enter("token:" + token.Name) is not { } identity)
        {
            return TooManyOf(token.Name);
        }

        session = new Caller(token.Tenant, token.Scopes, identity, token) { Origin = origin };
        return null;
    }

    /// <summary>Another node's: it sees no tenant's tasks, and may do what nodes ask of each other.</summary>
    private void OpenPeerSession(PeerCertificate peer, CallerOrigin origin, out Caller? session)
    {
        session = null;
        if (_identities.Enter("peer:" + peer.Peer) is { } identity)
        {
            session = new Caller(NoTenant, OperationScopes.Peer, identity, Token: null, peer) { Origin = origin };
        }
    }

    /// <summary>For a session whose connection was closed while it was being opened.</summary>
    internal void AbandonSession(Caller session) => _identities.Leave(session.Identity);

    private void Listen()
    {
        // TCP first: who finds the unix socket finds a server that came up as it was asked to.
        if (Options.Tcp is { } tcp)
        {
            var listener = SocketListener.OnTcp(tcp, Options.Backlog, AdmitStranger);
            _listeners.Add(listener);
            TcpEndPoint = (IPEndPoint?)listener.EndPoint;
        }

        _listeners.Add(SocketListener.OnPath(Options.SocketPath, Options.SocketMode, Options.Backlog, AdmitPeer));
        _sweeper = Time.CreateTimer(static state => ((RpcServer)state!).Sweep(), this, s_sweepPeriod, s_sweepPeriod);
        _listeners.ForEach(static listener => listener.Start());
    }

    /// <summary>A peer of the unix socket: the kernel says who it is.</summary>
    private void AdmitPeer(Socket socket)
    {
        socket.Blocking = false;
        var peer = PeerCredentials.Of(socket);
        var origin = new CallerOrigin(Door, peer, Place: null);
        if (peer is null || Options.Authorize(peer) is not { } tenant)
        {
            var stranger = CallerRefusals.Stranger(peer);
            Options.Audit.TellStranger(origin, SessionOpen, stranger);
            Refuse(socket, stranger);
            return;
        }

        if (!TryCount(socket))
        {
            return;
        }

        var name = string.Create(CultureInfo.InvariantCulture, $"user:{peer.UserId}");
        if (_identities.Enter(name) is not { } identity)
        {
            Interlocked.Decrement(ref _count);
            Refuse(socket, TooManyOf(name));
            return;
        }

        Begin(new RpcConnection(this, socket, new Caller(tenant, Options.ScopesOf(peer), identity, Token: null) { Origin = origin }));
    }

    /// <summary>A peer of TCP: nobody knows it until it has shown a token.</summary>
    private void AdmitStranger(Socket socket)
    {
        var tcp = Options.Tcp!;
        try
        {
            socket.Blocking = false;
            socket.NoDelay = true;
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, optionValue: true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, (int)Math.Max(1, tcp.KeepAlive.TotalSeconds));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, (int)Math.Max(1, tcp.KeepAlive.TotalSeconds / 3));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        }
        catch (SocketException)
        {
            // It was gone before it was looked at.
            socket.Dispose();
            return;
        }

        if (!TryCount(socket))
        {
            return;
        }

        var origin = OriginOf(socket);
        if (_unopened!.Take(origin.Place?.Address, socket) is not { } place)
        {
            Interlocked.Decrement(ref _count);
            Refuse(socket, new(ErrorCode.ResourceExhausted, $"{tcp.MaxUnopened} connections have not opened their session yet.", RetryAfterMs: BusyRetryMs));
            return;
        }

        if (tcp.Certificates is { } certificates)
        {
            _ = AdmitEncryptedAsync(socket, place, certificates, tcp);
            return;
        }

        Begin(new RpcConnection(this, socket, session: null) { Origin = origin, Unopened = place });
    }

    private static CallerOrigin OriginOf(Socket socket)
    {
        try
        {
            return new(Door, Peer: null, socket.RemoteEndPoint as IPEndPoint);
        }
        catch (SocketException)
        {
            return new(Door, Peer: null, Place: null); // gone already
        }
    }

    private bool TryCount(Socket socket)
    {
        if (Interlocked.Increment(ref _count) <= Options.MaxConnections)
        {
            return true;
        }

        Interlocked.Decrement(ref _count);
        Refuse(socket, new(ErrorCode.ResourceExhausted, $"{Options.MaxConnections} connections are open; security.connections lets in more.", RetryAfterMs: BusyRetryMs));
        return false;
    }

    private void Begin(RpcConnection connection)
    {
        _connections[connection] = true;
        if (Volatile.Read(ref _disposed) != 0 || connection.Unopened?.HandTo(connection) == false)
        {
            connection.Close();
        }

        connection.Start();
    }

    private OperationError TooManyOf(string name) =>
        new(ErrorCode.ResourceExhausted, $"{Options.MaxConnectionsPerIdentity} connections of {name} are open; security.connections_per_caller lets in more.", RetryAfterMs: BusyRetryMs);

    /// <summary>Tells why before any request came: an answer to message 0, which no client of ours uses.</summary>
    private static void Refuse(Socket socket, OperationError error)
    {
        using (socket)
        using (var buffer = new PooledBuffer(512))
        {
            var writer = new MessagePackWriter(buffer);
            ReplyFrame.Error(ref writer, 0, error);
            writer.Commit();
            socket.Send(buffer.WrittenSpan, SocketFlags.None, out _);
        }
    }

    private void Sweep()
    {
        if (Options.Tcp?.Tokens.Follow() is { } problem)
        {
            Options.OnWarning?.Invoke($"{problem} The former tokens stay in force.");
        }

        var now = Environment.TickCount64;
        foreach (var connection in _connections.Keys)
        {
            connection.EndIfRevoked();
            connection.Sweep(now);
        }

        _identities.Sweep();
        _listeners.ForEach(static listener => listener.Sweep());
    }
}
