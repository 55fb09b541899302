namespace Wayang.Fast.Contracts.Errors;

/// <summary>The closed list of error codes of every front door. Wire names are their snake_case.</summary>
public enum ErrorCode : byte
{
    None = 0,

    /// <summary>A parameter is missing, unknown, of the wrong type or out of range; <c>field</c> names it.</summary>
    InvalidArgument = 1,

    /// <summary>No such task, image, function or profile (or it was forgotten: see retention).</summary>
    NotFound = 2,

    /// <summary>No operation of that name.</summary>
    UnknownOperation = 3,

    /// <summary>The caller may not do that.</summary>
    PermissionDenied = 4,

    /// <summary>A bound of the queue is reached; <c>retry_after_ms</c> says when to try again.</summary>
    ResourceExhausted = 5,

    /// <summary>A payload or frame is over its bound.</summary>
    TooLarge = 6,

    /// <summary>The image could not be loaded; the message says why.</summary>
    ImageFailed = 7,

    /// <summary>This host or profile cannot do it; the message says what is missing and the remedy.</summary>
    Unsupported = 8,

    /// <summary>The runtime is starting, recovering or shutting down; try again.</summary>
    Unavailable = 9,

    /// <summary>The connection to the node was lost while the call was pending (client side).</summary>
    NodeLost = 10,

    /// <summary>A wait ended before the task did.</summary>
    WaitTimeout = 11,

    /// <summary>A defect of the runtime.</summary>
    Internal = 12,

    /// <summary>The connection has no session: <c>session.open</c> with a valid token comes first.</summary>
    Unauthenticated = 13,

    /// <summary>It contradicts what is there: a key that stands for something else, a change of a task that was started.</summary>
    Conflict = 14,
}

/// <summary>A refusal: which code, in words, and which parameter.</summary>
public sealed record OperationError(ErrorCode Code, string Message, string? Field = null, int? RetryAfterMs = null);
