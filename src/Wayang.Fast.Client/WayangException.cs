using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Client;

/// <summary>The node refused an operation, or was lost while it was pending. <see cref="Code"/> says which.</summary>
public sealed class WayangException : Exception
{
    public WayangException(ErrorCode code, string message, Exception? inner = null)
        : base(message, inner) => Code = code;

    public WayangException(OperationError error)
        : base(error.Message)
    {
        Code = error.Code;
        Field = error.Field;
        RetryAfter = error.RetryAfterMs is { } delay ? TimeSpan.FromMilliseconds(delay) : null;
    }

    public WayangException(string message)
        : this(ErrorCode.Internal, message)
    {
    }

    public WayangException(string message, Exception inner)
        : this(ErrorCode.Internal, message, inner)
    {
    }

    public WayangException()
        : this("The operation failed.")
    {
    }

    public ErrorCode Code { get; }

    /// <summary>The parameter at fault, when one is.</summary>
    public string? Field { get; }

    /// <summary>When to try again, when that may help.</summary>
    public TimeSpan? RetryAfter { get; }
}
