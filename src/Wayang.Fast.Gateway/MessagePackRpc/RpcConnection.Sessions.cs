using System.Net.Sockets;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>How a connection gets its session, and how it is ended with a last word instead of a reset.</summary>
internal sealed partial class RpcConnection
{
    /// <summary>How long a peer that was told its last word may take to close its side.</summary>
    private const long FarewellMs = 2_000;

    private readonly long _openUntil;
    private int _unopenedRequests;
    private long _leaveUntil;
    private int _sendingStopped;

    private bool IsLeaving => Volatile.Read(ref _leaveUntil) != 0;

    /// <summary>Ends the connection when the token that opened it is gone, was changed or has expired. Any thread.</summary>
    public void EndIfRevoked()
    {
        if (Volatile.Read(ref _session)?.Peer is { } peer && !IsLeaving && !_options.Tcp!.Peers!.IsInForce(peer))
        {
            Leave(new(ErrorCode.Unauthenticated, $"'{peer.Peer}' is no peer of this node any more, or another certificate is asked of it."));
        }
        else if (Volatile.Read(ref _session)?.Token is { } token && !IsLeaving && !_options.Tcp!.Tokens.IsInForce(token))
        {
            Leave(new(ErrorCode.Unauthenticated, $"The token '{token.Name}' was revoked, changed or has expired."));
        }
    }

    /// <summary>A request of a connection without a session: only <c>session.open</c> is heard. False: close.</summary>
    private bool Introduce(uint messageId, Operation? operation, ReadOnlySpan<byte> frame, ref MessagePackReader reader)
    {
        Span<ParameterSlot> slots = stackalloc ParameterSlot[OperationTable.MaxFields];
        slots.Clear();
        var refusal = operation?.Kind == OperationKind.SessionOpen
            ? ReadParameters(operation, ref reader, slots) ?? OpenSession(slots[0].Of(frame))
            : new(ErrorCode.Unauthenticated, "The first request over TCP is session.open with a token: params = [{token: ...}].");
        if (refusal is null)
        {
            return ConfirmSession(messageId) is null;
        }

        if (operation is { IsAudited: true } or { Kind: OperationKind.SessionOpen })
        {
            _options.Audit.TellStranger(Origin, operation.Name, refusal);
        }

        Append(messageId, refusal);
        return CountUnopened();
    }

    private OperationError? OpenSession(ReadOnlySpan<byte> token)
    {
        var refusal = _server.OpenSession(_options.Tcp!, token, Origin, out var session);
        if (session is not null && !Enter(session))
        {
            _server.AbandonSession(session);
            return new(ErrorCode.Unavailable, "The connection was closed.");
        }

        return refusal;
    }

    /// <summary>Takes up the session; false when the connection is closed.</summary>
    private bool Enter(Caller session)
    {
        lock (_sessionGate)
        {
            // SYNC POINT: pairs with Close, which marks the connection closed before it takes this lock.
            if (IsClosed || Unopened?.Leave() == false)
            {
                return false;
            }

            _targets = new TargetCache(_server.Tasks, session.Tenant);
            Volatile.Write(ref _session, session);
            return true;
        }
    }

    /// <summary>Answers who the caller is taken for. On a session that is open already nothing else happens: its token is not looked at.</summary>
    private OperationError? ConfirmSession(uint messageId)
    {
        var session = _session!;
        lock (_output.Gate)
        {
            if (_output.Gathering is { } gathering)
            {
                var writer = new MessagePackWriter(gathering);
                ReplyFrame.Begin(ref writer, messageId);
                ReplyFrame.Session(ref writer, session);
                writer.Commit();
            }
        }

        return null;
    }

    /// <summary>Counts what came before the session; at the bound the replies so far are the last. Always true: not yet closed.</summary>
    private bool CountUnopened()
    {
        if (++_unopenedRequests >= _options.Tcp!.MaxRequestsBeforeSession)
        {
            Leave(new(ErrorCode.Unauthenticated, $"{_unopenedRequests} requests came, and no valid token."));
        }

        return true;
    }

    /// <summary>
    /// Says a last word, to message 0. Closing at once would throw it away where input is still unread: so only the sending
    /// side is closed, and the rest when the peer closes its own or lets the time for it pass.
    /// </summary>
    private void Leave(OperationError reason)
    {
        Append(0, reason);
        Volatile.Write(ref _leaveUntil, Environment.TickCount64 + FarewellMs);
        _output.Flush();
        if (_output.IsEmpty)
        {
            // Another thread took the word along and settled before it could know that it was the last.
            StopSending();
        }
    }

    private void StopSending()
    {
        if (Interlocked.Exchange(ref _sendingStopped, 1) != 0)
        {
            return;
        }

        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            Close();
        }
    }

    /// <summary>True when the connection is on its way out.</summary>
    private bool SweepLeaving(long now)
    {
        if (IsLeaving)
        {
            if (now >= Volatile.Read(ref _leaveUntil))
            {
                Close();
            }

            return true;
        }

        if (Volatile.Read(ref _session) is null && now >= _openUntil)
        {
            Leave(new(ErrorCode.Unauthenticated, "The time to open a session is over."));
            return true;
        }

        return false;
    }
}
