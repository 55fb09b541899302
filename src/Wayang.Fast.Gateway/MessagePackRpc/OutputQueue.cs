using System.Net.Sockets;
using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// The replies of one connection on their way out. Any thread appends under <see cref="Gate"/> (a few hundred nanoseconds,
/// never across a system call); one thread at a time sends what has gathered, so replies that end together leave in one
/// send. A send that would block goes on by the socket's asynchronous path: no caller ever waits for a peer. A large reply is
/// written elsewhere and joins as a whole (<see cref="Append"/>); it is sent on the pool, as it takes milliseconds.
/// </summary>
internal sealed class OutputQueue : IThreadPoolWorkItem, IDisposable
{
    /// <summary>Sends in a row on a caller's thread; after that the rest hops to the pool.</summary>
    private const int MaxRounds = 4;

    private readonly Socket _socket;
    private readonly SocketAsyncEventArgs _sendArgs = new(true);
    private readonly Action<bool> _settled;
    private readonly int _keepBytes;
    private readonly Queue<PooledBuffer> _whole = new(); // before what gathers
    private PooledBuffer _gathering;
    private PooledBuffer _sending;
    private int _wholeBytes;
    private int _sent;
    private bool _busy;
    private bool _closed;
    private long _lastProgress;

    /// <param name="settled">Called without the gate: true when all was sent, false when the peer is gone.</param>
    public OutputQueue(Socket socket, int initialBytes, Action<bool> settled)
    {
        _socket = socket;
        _settled = settled;
        _keepBytes = initialBytes;
        _gathering = new PooledBuffer(initialBytes);
        _sending = new PooledBuffer(initialBytes);
        _sendArgs.Completed += (_, _) =>
        {
            if (TakeAsyncResult())
            {
                Drain();
            }
        };
    }

    /// <summary>Where sent bytes are counted.</summary>
    public required CallTally Calls { get; init; }

    /// <summary>Held while writing into <see cref="Gathering"/>.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Where replies are written, under the gate; null once closed.</summary>
    public PooledBuffer? Gathering => _closed ? null : _gathering;

    /// <summary>Bytes not yet with the kernel; a hint when read without the gate.</summary>
    public int Backlog => Waiting + (Volatile.Read(ref _busy) ? Math.Max(0, _sending.Count - _sent) : 0);

    /// <summary>Bytes that no send has begun with; a hint when read without the gate.</summary>
    public int Waiting => _gathering.Count + Volatile.Read(ref _wholeBytes);

    /// <summary>Whether everything written so far is with the kernel; exact.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (Gate)
            {
                return !_busy && (_closed || Waiting == 0);
            }
        }
    }

    /// <summary>True when the peer has taken nothing since the given time though replies wait.</summary>
    public bool IsStalledSince(long timestamp) => Volatile.Read(ref _busy) && Volatile.Read(ref _lastProgress) < timestamp;

    /// <summary>Takes a reply over, behind all that has gathered: nobody waits at the gate while it is written. It is disposed of here.</summary>
    public void Append(PooledBuffer reply)
    {
        lock (Gate)
        {
            if (!_closed)
            {
                if (_gathering.Count > 0)
                {
                    Enqueue(_gathering);
                    _gathering = new PooledBuffer(_keepBytes);
                }

                Enqueue(reply);
                return;
            }
        }

        reply.Dispose();
    }

    /// <summary>Sends what has gathered, unless another thread is at it: that one then takes it along.</summary>
    public void Flush()
    {
        bool isWhole;
        lock (Gate)
        {
            if (_busy || _closed || Waiting == 0)
            {
                return;
            }

            Volatile.Write(ref _lastProgress, Environment.TickCount64);
            Volatile.Write(ref _busy, true);
            isWhole = Swap();
        }

        if (isWhole)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return;
        }

        Drain();
    }

    /// <summary>Drops what waits. Safe to call at any time, from any thread, more than once.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            DropWaiting();
            if (_busy)
            {
                // The sender owns the other buffer: it will find the queue closed.
                return;
            }
        }

        Release();
    }

    void IThreadPoolWorkItem.Execute() => Drain();

    private void Drain()
    {
        bool closed;
        for (var round = 0; ; round++)
        {
            if (!SendAll(out var pending))
            {
                Fail();
                return;
            }

            if (pending)
            {
                return;
            }

            bool isWhole;
            lock (Gate)
            {
                closed = _closed;
                _sending.Clear();
                _sending.Trim(_keepBytes);
                _sent = 0;
                if (closed || Waiting == 0)
                {
                    Volatile.Write(ref _busy, false);
                    break;
                }

                isWhole = Swap();
            }

            if (round == MaxRounds || isWhole)
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }
        }

        // Judged under the gate: whoever closes later releases what is left itself.
        if (closed)
        {
            Release();
            return;
        }

        _settled(true);
    }

    /// <summary>Sends the taken buffer; <paramref name="pending"/> when the kernel will call back.</summary>
    private bool SendAll(out bool pending)
    {
        pending = false;
        while (_sent < _sending.Count && !_closed)
        {
            int count;
            SocketError error;
            try
            {
                count = _socket.Send(_sending.WrittenSpan[_sent..], SocketFlags.None, out error);
            }
            catch (ObjectDisposedException)
            {
                return false;
            }

            if (error == SocketError.Success)
            {
                _sent += count;
                Calls.Sent(count);
                Volatile.Write(ref _lastProgress, Environment.TickCount64);
                continue;
            }

            if (error != SocketError.WouldBlock)
            {
                return false;
            }

            try
            {
                _sendArgs.SetBuffer(MemoryMarshal.AsMemory(_sending.WrittenMemory[_sent..]));
                if (_socket.SendAsync(_sendArgs))
                {
                    pending = true;
                    return true;
                }
            }
            catch (ObjectDisposedException)
            {
                return false;
            }

            if (!TakeAsyncResult())
            {
                pending = true;
                return true;
            }
        }

        return true;
    }

    private bool TakeAsyncResult()
    {
        if (_sendArgs.SocketError != SocketError.Success || _sendArgs.BytesTransferred == 0)
        {
            Fail();
            return false;
        }

        _sent += _sendArgs.BytesTransferred;
        Calls.Sent(_sendArgs.BytesTransferred);
        Volatile.Write(ref _lastProgress, Environment.TickCount64);
        return true;
    }

    private void Fail()
    {
        bool first;
        lock (Gate)
        {
            first = !_closed;
            if (first)
            {
                _closed = true;
                DropWaiting();
            }

            Volatile.Write(ref _busy, false);
        }

        Release();
        _settled(false);
    }

    private void Release()
    {
        _sending.Dispose();
        _sendArgs.Dispose();
    }

    /// <summary>Takes what is to be sent next. Under the gate; what was sent before is empty.</summary>
    /// <returns>It was written elsewhere, and is large.</returns>
    private bool Swap()
    {
        if (!_whole.TryDequeue(out var next))
        {
            (_gathering, _sending) = (_sending, _gathering);
            return false;
        }

        _wholeBytes -= next.Count;
        _sending.Dispose();
        _sending = next;
        return true;
    }

    private void Enqueue(PooledBuffer whole)
    {
        _whole.Enqueue(whole);
        _wholeBytes += whole.Count;
    }

    private void DropWaiting()
    {
        _gathering.Dispose();
        _wholeBytes = 0;
        while (_whole.TryDequeue(out var whole))
        {
            whole.Dispose();
        }
    }
}
