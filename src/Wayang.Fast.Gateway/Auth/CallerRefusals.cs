using System.Globalization;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>What callers are refused for, whichever door they come by.</summary>
internal static class CallerRefusals
{
    /// <summary>Null: the operation is open to the caller.</summary>
    public static OperationError? OutOfScope(Caller caller, Operation operation) => operation.Scopes == OperationScopes.Peer && caller.Peer is null
        ? new(ErrorCode.PermissionDenied, $"{operation.Name} is what nodes ask of each other: only who shows the certificate of a node that stands in this one's peers may, whatever else it may do.")
        : (caller.Scopes & (operation.Scopes | OperationScopes.Admin)) != OperationScopes.None
        ? null
        : new(ErrorCode.PermissionDenied,
            $"'{caller.Identity.Name}' may {ScopeNames.Text(caller.Scopes)}; {operation.Name} needs {Either(operation.Scopes)}. {HowToGet(caller, operation.Scopes)}");

    /// <summary>Null: the caller may make one more call now.</summary>
    public static OperationError? TooFast(Caller caller) => caller.Identity.Rate.Take() is var delay && delay == 0
        ? null
        : new(ErrorCode.ResourceExhausted, $"'{caller.Identity.Name}' calls more often than security.calls_per_second lets it.", RetryAfterMs: delay);

    public static OperationError UnknownToken() => new(ErrorCode.Unauthenticated,
        "The token is not known here, was revoked or has expired. Ask for one made with 'wayang token create', in the file that this node reads.", "token");

    public static OperationError Stranger(PeerCredentials? peer) =>
        new(ErrorCode.PermissionDenied, $"User {peer?.UserId} may not use this runtime: ask for membership in its group, or start one of your own.");

    private static string Either(OperationScopes scopes) => scopes == OperationScopes.None ? "admin" : string.Join(" or ", ScopeNames.Text(scopes).Split(','));

    private static string HowToGet(Caller caller, OperationScopes scopes)
    {
        var first = scopes == OperationScopes.None ? "admin" : ScopeNames.Text(scopes).Split(',')[0];
        return caller.Token is { } token
            ? string.Create(CultureInfo.InvariantCulture, $"Ask for a token with it: wayang token create --name NAME --tenant {token.Tenant} --scopes {ScopeNames.Text(token.Scopes)},{first} --file FILE")
            : $"Ask for it in the configuration: tenants: [{{name: NAME, users: [...], scopes: [..., {first}]}}].";
    }
}
