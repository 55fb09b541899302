using System.Buffers;
using System.Net.Sockets;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <content>
/// Bytes in, frames out. Small frames are read and handled on the socket's thread, which is everybody's; what is left of a large one is read on the pool, since
/// its bytes go to memory that was mostly never written, and the kernel is slow to make that.
/// </content>
internal sealed partial class RpcConnection
{
    /// <summary>From so many bytes of one frame on the pool reads the rest.</summary>
    private const int LargeFrameBytes = 64 << 10;

    /// <summary>What the socket's thread reads of a large frame when it comes in pieces, to wake the pool.</summary>
    private const int BytesThatWake = 4 << 10;

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

    /// <summary>Returns true when bytes came at once; false when the reader is to leave (a callback comes, another thread goes on, or it ended).</summary>
    private bool Receive()
    {
        var isLarge = _filled - _start >= LargeFrameBytes;
        if (isLarge && !_onPool)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return false;
        }

        if (!MakeRoom())
        {
            Close();
            LeaveReading();
            return false;
        }

        try
        {
            var room = _buffer.Length - _filled;
            if (isLarge)
            {
                var count = _socket.Receive(_buffer.AsSpan(_filled), SocketFlags.None, out var error);
                if (error != SocketError.WouldBlock)
                {
                    return TakeReceived(count, error);
                }

                room = Math.Min(room, BytesThatWake);
            }

            _onPool = false;
            _receiveArgs.SetBuffer(_buffer, _filled, room);
            return !_socket.ReceiveAsync(_receiveArgs) && TakeReceived(_receiveArgs.BytesTransferred, _receiveArgs.SocketError);
        }
        catch (ObjectDisposedException)
        {
            LeaveReading();
            return false;
        }
    }

    private bool TakeReceived(int count, SocketError error)
    {
        if (error != SocketError.Success || IsClosed)
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
}
