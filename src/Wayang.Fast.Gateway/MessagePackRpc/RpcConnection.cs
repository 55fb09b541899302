using System.Buffers;
using System.Net.Sockets;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// One peer. Exactly one thread at a time reads (the socket's callback, or a pool thread after a pause); replies come
/// from any thread through the <see cref="OutputQueue"/>. Nothing here blocks: a bound that is reached stops reading, and
/// what frees it starts reading again.
/// </summary>
internal sealed partial class RpcConnection : ITaskObserver, ISubmissionReceipt, IThreadPoolWorkItem, IDisposable
{
    /// <summary>Receives in a row on one thread before the others on it get their turn.</summary>
    private const int MaxRounds = 16;

    private readonly RpcServer _server;
    private readonly RpcServerOptions _options;
    private readonly Socket _socket;
    private readonly OutputQueue _output;
    private readonly FrameScanner _scanner;
    private readonly Lock _sessionGate = new();
    private readonly SocketAsyncEventArgs _receiveArgs = new(true);
    private readonly HashSet<IDisposable> _waits = [];
    private byte[] _buffer;
    private int _start;
    private int _filled;
    private long _budgeted;
    private int _inFlight;
    private int _paused;
    private int _closed;
    private bool _readerLeft;
    private bool _peerDone;
    private bool _onPool;
    private long _lastReceive = Environment.TickCount64;
    private Caller? _session;
    private TargetCache? _targets;

    /// <param name="session">Null for a peer that nobody knows yet: it must open one.</param>
    public RpcConnection(RpcServer server, Socket socket, Caller? session)
    {
        _server = server;
        _options = server.Options;
        _socket = socket;
        if (session is null)
        {
            _openUntil = Environment.TickCount64 + (long)_options.Tcp!.SessionTimeout.TotalMilliseconds;
        }
        else
        {
            Enter(session);
        }

        _output = new OutputQueue(socket, _options.InitialBufferBytes, OnOutputSettled) { Calls = server.Calls };
        _scanner = new FrameScanner(_options.Frame);
        _buffer = ArrayPool<byte>.Shared.Rent(_options.InitialBufferBytes);
        _receiveArgs.Completed += (_, _) =>
        {
            if (TakeReceived(_receiveArgs.BytesTransferred, _receiveArgs.SocketError))
            {
                ReadGuarded();
            }
        };
    }

    private enum Step : byte
    {
        Receive,
        Pause,
        Hop,
        Close,
    }

    /// <summary>From where it came, of one that nobody knew.</summary>
    public CallerOrigin Origin { get; init; }

    /// <summary>Its place among those without a session; null: it came with one.</summary>
    public UnopenedPlace? Unopened { get; init; }

    /// <summary>Asked only of connections with a session.</summary>
    public Caller Session => _session!;

    /// <summary>Asked only of connections with a session.</summary>
    public int Tenant => _session!.Tenant;

    /// <summary>The configured name of the node that calls; empty: none does.</summary>
    public string Peer => _session!.Peer?.Peer ?? string.Empty;

    /// <summary>Bytes that this connection's caller may still hold.</summary>
    public ByteBudget Budget => _session!.Identity.Bytes;

    private bool IsClosed => Volatile.Read(ref _closed) != 0;

    private bool MayRead => Volatile.Read(ref _inFlight) < _options.MaxInFlight && _output.Backlog < _options.OutputPauseBytes;

    public void Start() => ReadGuarded();

    public void Dispose() => Close();

    void IThreadPoolWorkItem.Execute()
    {
        _onPool = true;
        ReadGuarded();
    }

    /// <summary>Ends the connection; replies not yet sent are lost, waits are forgotten, running tasks run on.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
        {
            return;
        }

        Caller? session;
        lock (_sessionGate)
        {
            session = _session;
        }

        _server.Remove(this, session);
        _socket.Dispose();
        _output.Dispose();
        ForgetWaits();

        // A paused reader holds no thread: nobody else will give its buffer back.
        if (Interlocked.Exchange(ref _paused, 0) == 1)
        {
            LeaveReading();
        }
    }

    /// <summary>Looks for peers that stopped moving; called about once a second.</summary>
    public void Sweep(long now)
    {
        if (_output.IsStalledSince(now - (long)_options.SendTimeout.TotalMilliseconds))
        {
            Close();
            return;
        }

        if (SweepLeaving(now))
        {
            return;
        }

        var quiet = now - Volatile.Read(ref _lastReceive);
        var busy = Volatile.Read(ref _inFlight) > 0;
        var partial = Volatile.Read(ref _filled) > Volatile.Read(ref _start);
        if ((partial && !busy && quiet > _options.FrameTimeout.TotalMilliseconds)
            || (!busy && quiet > _options.IdleTimeout.TotalMilliseconds))
        {
            Close();
        }
        else if (Volatile.Read(ref _peerDone) || Volatile.Read(ref _paused) == 1)
        {
            CloseIfPeerIsGone();
        }
    }

    private void OnOutputSettled(bool sent)
    {
        if (!sent)
        {
            Close();
            return;
        }

        if (IsLeaving)
        {
            StopSending();
        }

        Volatile.Read(ref _subscription)?.OnRoom();
        Resume();
        CloseIfDone();
    }

    /// <summary>After the peer closed its side: the last reply ends the connection.</summary>
    private void CloseIfDone()
    {
        if (Volatile.Read(ref _peerDone) && Volatile.Read(ref _readerLeft) && Volatile.Read(ref _inFlight) == 0 && _output.IsEmpty)
        {
            Close();
        }
    }

    /// <summary>An empty send tells a peer that only stopped sending (fine) from one that is gone (EPIPE).</summary>
    private void CloseIfPeerIsGone()
    {
        try
        {
            _socket.Send(ReadOnlySpan<byte>.Empty, SocketFlags.None, out var error);
            if (error is not (SocketError.Success or SocketError.WouldBlock))
            {
                Close();
            }
        }
        catch (ObjectDisposedException)
        {
            Close();
        }
    }
}
