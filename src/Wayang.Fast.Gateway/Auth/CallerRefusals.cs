using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Gateway.Auth;

/// <summary>What callers are refused for, whichever door they come by.</summary>
internal static class CallerRefusals
{
    /// <summary>Null: the operation is open to the caller.</summary>
    public static OperationError? OutOfScope(Caller caller, Operation operation) => (caller.Scopes & operation.Scopes) != OperationScopes.None
        ? null
        : new(ErrorCode.PermissionDenied,
            $"'{caller.Identity.Name}' may {ScopeNames.Text(caller.Scopes)}; {operation.Name} needs {string.Join(" or ", ScopeNames.Text(operation.Scopes).Split(','))}.");

    public static OperationError UnknownToken() => new(ErrorCode.Unauthenticated,
        "The token is not known here, was revoked or has expired. Ask for one made with 'wayang token create', in the file that this node reads.", "token");

    public static OperationError Stranger(PeerCredentials? peer) =>
        new(ErrorCode.PermissionDenied, $"User {peer?.UserId} may not use this runtime: ask for membership in its group, or start one of your own.");
}
