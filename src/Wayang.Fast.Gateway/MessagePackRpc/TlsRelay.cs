using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// TLS in front of a connection that knows nothing of it: what comes is decrypted and goes on over a pair of sockets, what is answered comes back the same way. So the path of those
/// who are not encrypted stays as it is, and all its bounds hold for those who are: who does not read fills the pair, and that is the connection's to judge.
/// </summary>
internal sealed class TlsRelay : IAsyncDisposable
{
    /// <summary>Four records of TLS: a piece of a megabyte goes on in a quarter of the steps.</summary>
    private const int BufferBytes = 64 << 10;

    /// <summary>How long a peer may go on sending when it has been told the last word.</summary>
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(2);

    private static readonly List<SslApplicationProtocol> s_protocols = [CallStream.Protocol];

    private readonly Socket _peer;
    private readonly SslStream _stream;
    private readonly TimeSpan _sendTimeout;

    private TlsRelay(Socket peer, SslStream stream, TimeSpan sendTimeout) => (_peer, _stream, _sendTimeout) = (peer, stream, sendTimeout);

    /// <summary>Null: it showed none that is believed.</summary>
    public X509Certificate2? PeerCertificate => _stream.RemoteCertificate as X509Certificate2;

    /// <summary>A node has opened it for one call, which travels on it: nothing is relayed.</summary>
    public bool IsOfCall => _stream.NegotiatedApplicationProtocol == CallStream.Protocol;

    /// <summary>What such a connection says, decrypted. Owned by this.</summary>
    public Stream Decrypted => _stream;

    /// <summary>Shakes hands.</summary>
    /// <param name="peer">Owned from now on, whatever comes of it.</param>
    /// <param name="certificates">What is shown.</param>
    /// <param name="sendTimeout">How long the peer may leave unread what it is sent.</param>
    /// <param name="cancellation">The time for it is over.</param>
    /// <returns>Null: the peer speaks no TLS, or has shown nothing that is believed.</returns>
    public static async Task<TlsRelay?> AcceptAsync(Socket peer, DoorCertificates certificates, TimeSpan sendTimeout, CancellationToken cancellation)
    {
        SslStream? stream = null;
        try
        {
            peer.Blocking = true; // asked for by NetworkStream; nothing here waits on a thread, except for a call
            stream = new SslStream(new GatheringStream(new NetworkStream(peer, ownsSocket: true) { WriteTimeout = (int)sendTimeout.TotalMilliseconds }), leaveInnerStreamOpen: false);
            await stream.AuthenticateAsServerAsync(certificates.ForConnection(s_protocols), cancellation);
            return new TlsRelay(peer, stream, sendTimeout);
        }
        catch (Exception failure) when (failure is AuthenticationException or IOException or SocketException or OperationCanceledException or ObjectDisposedException or NotSupportedException)
        {
            await (stream?.DisposeAsync() ?? ValueTask.CompletedTask);
            peer.Dispose();
            return null;
        }
    }

    /// <summary>Carries in both directions until one has ended and the other had its time to.</summary>
    /// <param name="inner">The connection's other end; owned.</param>
    public async Task RunAsync(Socket inner)
    {
        using (inner)
        {
            var up = GuardAsync(UpAsync(inner), inner);
            var down = GuardAsync(DownAsync(inner), inner);
            await down;
            try
            {
                await up.WaitAsync(s_farewell);
            }
            catch (TimeoutException)
            {
                // Disposing below ends it.
            }
        }
    }

    /// <summary>Whoever reads or writes sees its end. Any thread.</summary>
    public void Break() => _peer.Dispose();

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task UpAsync(Socket inner)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await _stream.ReadAsync(buffer) is > 0 and var count)
            {
                for (var sent = 0; sent < count;)
                {
                    sent += await inner.SendAsync(buffer.AsMemory(sent, count - sent));
                }
            }

            inner.Shutdown(SocketShutdown.Send);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    private async Task DownAsync(Socket inner)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using var patience = new CancellationTokenSource();
            while (await inner.ReceiveAsync(buffer) is > 0 and var count)
            {
                patience.CancelAfter(_sendTimeout);
                await _stream.WriteAsync(buffer.AsMemory(0, count), patience.Token);
                patience.CancelAfter(Timeout.InfiniteTimeSpan);
            }

            await _stream.ShutdownAsync().WaitAsync(_sendTimeout);
            _peer.Shutdown(SocketShutdown.Send);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>What breaks on one side ends the other, which is all that there is to do about it.</summary>
    private async Task GuardAsync(Task direction, Socket inner)
    {
        try
        {
            await direction;
        }
        catch (Exception failure) when (failure is IOException or SocketException or ObjectDisposedException or OperationCanceledException or TimeoutException or InvalidOperationException)
        {
            inner.Dispose();
            _peer.Dispose();
        }
    }
}
