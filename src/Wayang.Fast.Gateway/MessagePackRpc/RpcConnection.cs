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
            if (TakeReceived())
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

    /// <summary>An exception on the socket's thread would end the process; a defect here ends this connection only.</summary>
    private void ReadGuarded()
    {
        try
        {
            ReadLoop();
        }
#pragma warning disable CA1031 // See above.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            _options.OnDefect?.Invoke(defect);
            Close();
            LeaveReading();
        }
    }

    private void ReadLoop()
    {
        for (var round = 0; ; round++)
        {
            var step = ParseBuffered();
            _output.Flush();
            switch (step)
            {
                case Step.Close:
                    Close();
                    LeaveReading();
                    return;
                case Step.Hop:
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                    return;
                case Step.Pause when StayPaused():
                    return;
                case Step.Pause:
                    continue;
                default:
                    break;
            }

            if (IsClosed || _peerDone)
            {
                LeaveReading();
                CloseIfDone();
                return;
            }

            if (round >= MaxRounds)
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }

            if (!Receive())
            {
                return;
            }
        }
    }

    /// <summary>Returns true when bytes came at once; false when the reader is to leave (a callback comes, or it ended).</summary>
    private bool Receive()
    {
        if (!MakeRoom())
        {
            Close();
            LeaveReading();
            return false;
        }

        _onPool = false;
        try
        {
            _receiveArgs.SetBuffer(_buffer, _filled, _buffer.Length - _filled);
            return !_socket.ReceiveAsync(_receiveArgs) && TakeReceived();
        }
        catch (ObjectDisposedException)
        {
            LeaveReading();
            return false;
        }
    }

    private bool TakeReceived()
    {
        var count = _receiveArgs.BytesTransferred;
        if (_receiveArgs.SocketError != SocketError.Success || IsClosed)
        {
            Close();
            LeaveReading();
            return false;
        }

        Volatile.Write(ref _lastReceive, Environment.TickCount64);
        Calls.Received(count);
        if (count == 0)
        {
            // The peer closed its side; what it asked for is still answered, unless it is gone altogether.
            Volatile.Write(ref _peerDone, true);
            CloseIfPeerIsGone();
        }

        _filled += count;
        return true;
    }

    private Step ParseBuffered()
    {
        while (_filled > _start)
        {
            if (IsClosed)
            {
                return Step.Close;
            }

            if (IsLeaving)
            {
                _start = _filled;
                return Step.Receive;
            }

            if (!MayRead)
            {
                return Step.Pause;
            }

            var status = _scanner.Scan(_buffer.AsSpan(_start, _filled - _start));
            if (status == FrameStatus.Incomplete)
            {
                return Step.Receive;
            }

            if (status != FrameStatus.Complete)
            {
                return Step.Close;
            }

            if (_scanner.Length >= _options.InlinePayloadBytes && !_onPool)
            {
                return Step.Hop;
            }

            var frame = _buffer.AsSpan(_start, _scanner.Length);
            if (!Handle(frame))
            {
                return Step.Close;
            }

            _start += frame.Length;
            _scanner.Reset();
        }

        return Step.Receive;
    }

    /// <summary>Stops reading until <see cref="Resume"/>; false when there is room again already.</summary>
    private bool StayPaused()
    {
        Volatile.Write(ref _paused, 1);

        // SYNC POINT: pairs with the fence in Resume: either this thread sees the freed room, or that one sees the pause.
        Interlocked.MemoryBarrier();
        if (!MayRead && !IsClosed)
        {
            return true;
        }

        return Interlocked.Exchange(ref _paused, 0) == 0;
    }

    private void Resume()
    {
        // SYNC POINT: pairs with the fence in StayPaused.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _paused) == 1 && MayRead && Interlocked.Exchange(ref _paused, 0) == 1)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>
    /// Makes room for the next receive: moves a partial frame to the front, or doubles the buffer. It never grows by what
    /// a header claims, only by what has come.
    /// </summary>
    private bool MakeRoom()
    {
        if (_start == _filled)
        {
            _start = 0;
            _filled = 0;
            ShrinkBuffer();
            return true;
        }

        if (_filled < _buffer.Length)
        {
            return true;
        }

        var length = _filled - _start;
        if (_start > 0)
        {
            _buffer.AsSpan(_start, length).CopyTo(_buffer);
        }
        else
        {
            var larger = (int)Math.Min(2L * _buffer.Length, (long)_options.Frame.MaxBytes + _options.InitialBufferBytes);
            if (larger <= _buffer.Length || _session is null || !Budget.TryTake(larger - _buffer.Length))
            {
                return false;
            }

            _budgeted += larger - _buffer.Length;
            var bytes = ArrayPool<byte>.Shared.Rent(larger);
            _buffer.AsSpan(0, length).CopyTo(bytes);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = bytes;
        }

        _start = 0;
        _filled = length;
        return true;
    }

    private void ShrinkBuffer()
    {
        if (_budgeted == 0)
        {
            return;
        }

        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = ArrayPool<byte>.Shared.Rent(_options.InitialBufferBytes);
        ReturnBudget();
    }

    private void ReturnBudget()
    {
        if (_budgeted > 0)
        {
            Budget.Return(_budgeted);
            _budgeted = 0;
        }
    }

    /// <summary>The reader's last act: only it may give the buffer back.</summary>
    private void LeaveReading()
    {
        if (_readerLeft)
        {
            return;
        }

        _readerLeft = true;
        _start = 0;
        _filled = 0;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        ReturnBudget();
        _receiveArgs.Dispose();
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
