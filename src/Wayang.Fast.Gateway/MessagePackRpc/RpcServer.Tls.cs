using System.Net.Sockets;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <content>Peers of TCP that speak TLS.</content>
public sealed partial class RpcServer
{
    private long _failedHandshakes;

    /// <summary>Peers that spoke no TLS, or showed nothing that is believed.</summary>
    public long FailedHandshakes => Interlocked.Read(ref _failedHandshakes);

    /// <summary>Counted as one that has not opened its session: from here it becomes a connection, or is gone.</summary>
    private async Task AdmitEncryptedAsync(Socket socket, UnopenedPlace place, DoorCertificates certificates, RpcTcpOptions tcp)
    {
        var origin = OriginOf(socket);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
            patience.CancelAfter(tcp.SessionTimeout);
            await using var relay = await TlsRelay.AcceptAsync(socket, certificates, Options.SendTimeout, patience.Token);
            if (relay is null)
            {
                Interlocked.Increment(ref _failedHandshakes);
                GiveUp(place);
                return;
            }

            if (relay.IsOfCall)
            {
                await CarryAsync(relay, place, certificates, tcp, patience.Token);
                return;
            }

            if (Connect(relay, place, certificates, tcp, origin) is { } inner)
            {
                await relay.RunAsync(inner);
            }
        }
        catch (ObjectDisposedException) when (Volatile.Read(ref _disposed) != 0)
        {
            socket.Dispose();
        }
#pragma warning disable CA1031 // Nobody awaits this: a defect is told, and costs this peer alone.
        catch (Exception defect)
#pragma warning restore CA1031
        {
            Options.OnDefect?.Invoke(defect);
        }
    }

    /// <summary>A call of a peer's comes, or goes home.</summary>
    private async Task CarryAsync(TlsRelay relay, UnopenedPlace place, DoorCertificates certificates, RpcTcpOptions tcp, CancellationToken patience)
    {
        if (Options.Visits is not { } visits || PeerOf(relay, certificates, tcp) is not { } peer)
        {
            Interlocked.Increment(ref _failedHandshakes);
            GiveUp(place);
            return;
        }

        place.Leave();
        try
        {
            await using var stop = Stopping.UnsafeRegister(static relay => ((TlsRelay)relay!).Break(), relay);
            await visits.CarryAsync(peer.Peer, relay.Decrypted, patience);
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    }

    private static PeerCertificate? PeerOf(TlsRelay relay, DoorCertificates certificates, RpcTcpOptions tcp) =>
        relay.PeerCertificate is { } own && certificates.IsTrusted(own) ? tcp.Peers?.Find(own) : null;

    /// <summary>Null: there are no descriptors left for it.</summary>
    private Socket? Connect(TlsRelay relay, UnopenedPlace place, DoorCertificates certificates, RpcTcpOptions tcp, CallerOrigin origin)
    {
        try
        {
            var (inner, outer) = ConnectedPair.Make();
            inner.Blocking = false;
            var session = SessionOf(relay, certificates, tcp, origin);
            if (session is not null)
            {
                place.Leave();
            }

            Begin(new RpcConnection(this, inner, session) { Origin = origin, Unopened = session is null ? place : null });
            return outer;
        }
        catch (SocketException)
        {
            GiveUp(place);
            return null;
        }
    }

    /// <summary>The handshake has shown that the peer holds the key, and whom the authority says it is; what it may do is said by the file of tokens. Null: it has to show a token.</summary>
    private Caller? SessionOf(TlsRelay relay, DoorCertificates certificates, RpcTcpOptions tcp, CallerOrigin origin)
    {
        Caller? session = null;
        if (PeerOf(relay, certificates, tcp) is { } peer)
        {
            OpenPeerSession(peer, origin, out session);
        }
        else if (relay.PeerCertificate is { } shown && certificates.IsTrusted(shown) && tcp.Tokens.FindCertificate(DoorCertificates.NamesOf(shown)) is { } known)
        {
            OpenSession(known, origin, out session);
        }

        return session;
    }

    private void GiveUp(UnopenedPlace place)
    {
        place.Leave();
        Interlocked.Decrement(ref _count);
    }
}
