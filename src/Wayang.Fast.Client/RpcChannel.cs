using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;

namespace Wayang.Fast.Client;

/// <summary>
/// One connection: many calls in flight, requests that are made together leave together. When it breaks, every pending
/// call ends with <see cref="ErrorCode.NodeLost"/>; it is never used again.
/// </summary>
internal sealed class RpcChannel : IClientTransport
{
    private const int InitialBytes = 16 << 10;
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly FrameScanner _scanner;
    private readonly ConcurrentDictionary<uint, PendingCall> _pending = new();
    private readonly Lock _gate = new();
    private PooledBuffer _gathering = new(InitialBytes);
    private PooledBuffer _sending = new(InitialBytes);
    private bool _busy;
    private uint _lastId;
    private WayangException? _lost;

    private RpcChannel(Socket socket, Stream stream, FrameLimits limits)
    {
        (_socket, _stream) = (socket, stream);
        _scanner = new FrameScanner(limits);
    }

    public bool IsLost => Volatile.Read(ref _lost) is not null;

    public bool EndsAbandonedRuns => false;

    public int PendingCount => _pending.Count;

    public static Task<RpcChannel> ConnectAsync(string path, FrameLimits limits, CancellationToken cancellation) =>
        ConnectAsync(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), limits, async socket =>
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            CheckOwner(socket, path);
            return new NetworkStream(socket, ownsSocket: true);
        });

    /// <exception cref="WayangException">The node is not who its name says, or does not believe us.</exception>
    public static Task<RpcChannel> ConnectAsync(WayangEndpoint place, WayangClientOptions options, CancellationToken cancellation) =>
        ConnectAsync(new Socket(SocketType.Stream, ProtocolType.Tcp), options.Frame, async socket =>
        {
            await socket.ConnectAsync(place.Host, place.Port, cancellation);
            socket.NoDelay = true;
            var stream = new NetworkStream(socket, ownsSocket: true);
            return place.IsTls ? await EncryptAsync(stream, place, options, cancellation) : stream;
        });

    private static async Task<RpcChannel> ConnectAsync(Socket socket, FrameLimits limits, Func<Socket, Task<Stream>> connect)
    {
        try
        {
            var channel = new RpcChannel(socket, await connect(socket), limits);
            _ = channel.ReceiveAsync();
            return channel;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<Stream> EncryptAsync(NetworkStream stream, WayangEndpoint place, WayangClientOptions options, CancellationToken cancellation)
    {
        var encrypted = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await encrypted.AuthenticateAsClientAsync(ClientCertificates.For(options.CertificateName ?? place.Host, options.Certificates, options.CertificateFingerprint), cancellation);
            return encrypted;
        }
        catch (Exception failure) when (failure is AuthenticationException or IOException)
        {
            await encrypted.DisposeAsync();
            throw new WayangException(
                ErrorCode.Unauthenticated, $"{place} was reached, and no encrypted connection came of it: {failure.Message} Is tls.certificate_file set there, for this name, and is its authority believed here?", failure);
        }
    }

    public async Task<T> CallAsync<T>(string operation, RequestEncoder encode, ResponseDecoder<T> decode, CancellationToken cancellation)
        where T : class
    {
        var call = new PendingCall<T>(decode);
        var id = Enqueue(operation, encode, call);
        if (!cancellation.CanBeCanceled)
        {
            return await call.Result;
        }

        await using var registration = cancellation.UnsafeRegister(
            static (state, token) =>
            {
                var (channel, call, id) = ((RpcChannel, PendingCall, uint))state!;
                if (channel._pending.TryRemove(id, out _))
                {
                    call.Abandon(token);
                }
            },
            ((RpcChannel, PendingCall, uint))(this, call, id));
        return await call.Result;
    }

    public void Dispose() => Lose(new WayangException(ErrorCode.NodeLost, "The client was closed while the call was pending."));

    /// <summary>In /tmp anyone may have made the directory first: the peer must be this user or root.</summary>
    internal static void CheckOwner(Socket socket, string path)
    {
        if (!path.StartsWith("/tmp/", StringComparison.Ordinal))
        {
            return;
        }

        Span<int> ids = stackalloc int[3];
        socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(ids));
        var owner = (uint)ids[1];
        if (owner != 0 && owner != SocketPaths.EffectiveUser())
        {
            throw new WayangException(ErrorCode.PermissionDenied,
                $"The runtime at {path} belongs to user {owner}, not to you: remove that directory, or name another socket.");
        }
    }

    private uint Enqueue(string operation, RequestEncoder encode, PendingCall call)
    {
        uint id;
        bool send;
        lock (_gate)
        {
            if (_lost is { } lost)
            {
                throw new WayangException(lost.Code, lost.Message);
            }

            do
            {
                id = ++_lastId;
            }
            while (id == 0 || !_pending.TryAdd(id, call));

            var writer = new MessagePackWriter(_gathering);
            writer.WriteArrayHeader(4);
            writer.WriteUInt64(0);
            writer.WriteUInt64(id);
            writer.WriteString(operation);
            writer.WriteArrayHeader(1);
            try
            {
                encode(ref writer);
            }
            catch
            {
                _pending.TryRemove(id, out _);
                throw;
            }

            writer.Commit();
            send = !_busy;
            _busy = true;
        }

        if (send)
        {
            _ = SendAsync();
        }

        return id;
    }

    private async Task SendAsync()
    {
        try
        {
            while (true)
            {
                lock (_gate)
                {
                    _sending.Clear();
                    _sending.Trim(InitialBytes);
                    if (_lost is not null || _gathering.Count == 0)
                    {
                        _busy = false;
                        break;
                    }

                    (_gathering, _sending) = (_sending, _gathering);
                }

                await _stream.WriteAsync(_sending.WrittenMemory);
            }
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            // The receiver may still find the reason that the node gave before it closed; it tells the pending calls.
            lock (_gate)
            {
                _busy = false;
            }
        }
    }

    private async Task ReceiveAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(InitialBytes);
        var filled = 0;
        WayangException lost;
        try
        {
            while (true)
            {
                var count = await _stream.ReadAsync(buffer.AsMemory(filled));
                if (count == 0)
                {
                    lost = new WayangException(ErrorCode.NodeLost, "The connection to the node was lost while the call was pending.");
                    break;
                }

                filled += count;
                var (taken, refusal) = TakeFrames(buffer.AsSpan(0, filled));
                if (refusal is not null)
                {
                    lost = refusal;
                    break;
                }

                buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
                filled -= taken;
                buffer = Fit(buffer, filled);
            }
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            lost = new WayangException(ErrorCode.NodeLost, "The connection to the node was lost while the call was pending.", failure);
        }

        ArrayPool<byte>.Shared.Return(buffer);
        Lose(lost);
    }

    /// <summary>Twice the room when full; the initial room again after a large answer.</summary>
    private static byte[] Fit(byte[] buffer, int filled)
    {
        var wanted = filled == buffer.Length ? 2 * buffer.Length : filled == 0 && buffer.Length > 8 * InitialBytes ? InitialBytes : 0;
        if (wanted == 0)
        {
            return buffer;
        }

        var other = ArrayPool<byte>.Shared.Rent(wanted);
        buffer.AsSpan(0, filled).CopyTo(other);
        ArrayPool<byte>.Shared.Return(buffer);
        return other;
    }

    private (int Taken, WayangException? Refusal) TakeFrames(ReadOnlySpan<byte> bytes)
    {
        var taken = 0;
        while (taken < bytes.Length)
        {
            var status = _scanner.Scan(bytes[taken..]);
            if (status == FrameStatus.Incomplete)
            {
                break;
            }

            if (status != FrameStatus.Complete)
            {
                return (taken, new WayangException(ErrorCode.NodeLost, $"The node sent something that is no answer ({status})."));
            }

            if (Take(bytes.Slice(taken, _scanner.Length)) is { } refusal)
            {
                return (taken, refusal);
            }

            taken += _scanner.Length;
            _scanner.Reset();
        }

        return (taken, null);
    }

    /// <summary>Hands one answer to its call; returns the reason when the node refuses the connection as a whole.</summary>
    private WayangException? Take(ReadOnlySpan<byte> frame)
    {
        var reader = new MessagePackReader(frame);
        if (!reader.TryReadArrayHeader(out var count) || !reader.TryReadUInt64(out var type))
        {
            return new WayangException(ErrorCode.NodeLost, "The node sent something that is no answer.");
        }

        if (type != 1 || count != 4 || !reader.TryReadUInt64(out var id))
        {
            return null;
        }

        var error = reader.TryReadNil() ? null : ResponseDecoders.Error(ref reader);
        if (id == 0 && error is not null)
        {
            return new WayangException(error);
        }

        // A call that was given up has left the table: its answer is dropped.
        if (id <= uint.MaxValue && _pending.TryRemove((uint)id, out var call))
        {
            if (error is not null)
            {
                call.Fail(new WayangException(error));
            }
            else
            {
                call.Complete(ref reader);
            }
        }

        return null;
    }

    private void Lose(WayangException reason)
    {
        lock (_gate)
        {
            if (_lost is not null)
            {
                return;
            }

            Volatile.Write(ref _lost, reason);
        }

        // The socket first: while it is read from, that resets the connection. The stream would close it in order, and a peer that has ended its side in
        // order may still await its answers, for all that the node knows.
        _socket.Dispose();
        _stream.Dispose();
        foreach (var id in _pending.Keys)
        {
            if (_pending.TryRemove(id, out var call))
            {
                call.Fail(new WayangException(reason.Code, reason.Message, reason.InnerException));
            }
        }
    }
}
