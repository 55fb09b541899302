using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;

namespace Wayang.Fast.Gateway.Http;

/// <summary>
/// Says who sent a request: the kernel, for a peer of the unix socket; its token, for one of TCP. A caller is entered for each request and left when
/// that is answered, so its bounds hold over all its connections.
/// </summary>
/// <param name="options">Of the door.</param>
/// <param name="door">What the audit log calls it.</param>
/// <param name="audit">Told who was not let in; null: nobody is.</param>
internal sealed class HttpCallers(HttpDoorOptions options, string door, AuditLog? audit)
{
    private const string Scheme = "Bearer ";

    private readonly IdentityTable _identities = new(
        new IdentityBounds(options.MaxInFlightPerIdentity, options.MaxInFlightPerIdentity, options.MaxBufferedBytesPerIdentity, options.CallsPerSecondPerIdentity),
        new ByteBudget(options.MaxBufferedBytes));

    private long _refusedTokens;

    /// <summary>Tokens that were unknown or had expired.</summary>
    public long RefusedTokens => Interlocked.Read(ref _refusedTokens);

    /// <summary>Null and the caller, who is left with <see cref="Leave"/>; or the refusal.</summary>
    public OperationError? Enter(HttpContext context, Operation? operation, out Caller? caller)
    {
        var socket = context.Features.Get<IConnectionSocketFeature>()?.Socket;
        caller = null;
        var isLocal = socket?.LocalEndPoint is System.Net.Sockets.UnixDomainSocketEndPoint;
        var connection = context.Connection;
        var origin = new CallerOrigin(
            door, isLocal ? PeerCredentials.Of(socket!) : null, !isLocal && connection.RemoteIpAddress is { } address ? new IPEndPoint(address, connection.RemotePort) : null);
        string? claimed = null;
        var seat = context.Features.Get<ConnectionSeats.Seat>();
        var refusal = seat?.Refusal ?? Find(context, isLocal, origin, ref claimed, out caller);
        var isTooMany = seat?.Refusal is not null;
        if (refusal is null && seat?.Enter(claimed!) is { } tooMany)
        {
            Leave(caller!);
            caller = null;
            refusal = tooMany;
            isTooMany = seat.Callers.Count == 0; // one that carries others, too, goes on for them
        }

        if (isTooMany)
        {
            // Told why, and not kept.
            context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }

        if (refusal is not null && operation?.IsAudited == true)
        {
            audit.TellStranger(origin, operation.Name, refusal, claimed);
        }

        return refusal;
    }

    private OperationError? Find(HttpContext context, bool isLocal, CallerOrigin origin, ref string? claimed, out Caller? caller)
    {
        caller = null;
        if (isLocal)
        {
            var peer = origin.Peer;
            return peer is null || options.Authorize(peer) is not { } tenant
                ? CallerRefusals.Stranger(peer)
                : Enter(claimed = string.Create(CultureInfo.InvariantCulture, $"user:{peer.UserId}"), tenant, options.ScopesOf(peer), token: null, origin, out caller);
        }

        var header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            if (context.Connection.ClientCertificate is { } certificate)
            {
                return EnterBy(certificate, origin, ref claimed, out caller);
            }

            return new(ErrorCode.Unauthenticated, "Show a token: authorization: Bearer TOKEN. 'wayang token create' makes one.");
        }

        if (options.Tokens?.Find(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim())) is { } token)
        {
            return Enter(claimed = "token:" + token.Name, token.Tenant, token.Scopes, token, origin, out caller);
        }

        Interlocked.Increment(ref _refusedTokens);
        return CallerRefusals.UnknownToken();
    }

    /// <summary>The handshake has shown that it holds the key, and whom the authority says it is; what it may do is said by the file of tokens.</summary>
    private OperationError? EnterBy(X509Certificate2 certificate, CallerOrigin origin, ref string? claimed, out Caller? caller)
    {
        caller = null;
        var names = DoorCertificates.NamesOf(certificate);
        if (options.Certificates?.IsTrusted(certificate) == true && options.Tokens?.FindCertificate(names) is { } known)
        {
            return Enter(claimed = "token:" + known.Name, known.Tenant, known.Scopes, known, origin, out caller);
        }

        Interlocked.Increment(ref _refusedTokens);
        return new(ErrorCode.Unauthenticated,
            $"The certificate of {string.Join(", ", names)} is not known here, stands for more than one, or has expired. Ask for a line for it: wayang token create --name NAME --cert {names[0]} --file FILE");
    }

    public void Leave(Caller caller) => _identities.Leave(caller.Identity);

    /// <summary>For those who follow a stream: null while the token is in force.</summary>
    public OperationError? Revoked(Caller caller) => caller.Token is not { } token || options.Tokens?.IsInForce(token) == true
        ? null
        : new(ErrorCode.Unauthenticated, $"The token '{token.Name}' was revoked, changed or has expired.");

    /// <summary>Forgets callers of whom nothing is left, and follows the file of tokens. About once a second.</summary>
    public void Sweep()
    {
        _identities.Sweep();
        if (options.Tokens?.Follow() is { } problem)
        {
            options.OnWarning?.Invoke($"{problem} The former tokens stay in force.");
        }
    }

    private OperationError? Enter(string name, int tenant, OperationScopes scopes, AccessToken? token, CallerOrigin origin, out Caller? caller)
    {
        caller = null;
        if (_identities.Enter(name) is not { } identity)
        {
            return options.Busy();
        }

        var known = new Caller(tenant, scopes, identity, token) { Origin = origin };
        if (CallerRefusals.TooFast(known) is { } tooFast)
        {
            _identities.Leave(identity);
            return tooFast;
        }

        caller = known;
        return null;
    }
}
