using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>When an attempt that failed is followed by another; what is null is the node's default.</summary>
/// <param name="MaxAttempts">Attempts in all, the first counted: 1 to 100.</param>
public sealed record RetrySpec(int MaxAttempts)
{
    /// <summary>Pause after the first attempt.</summary>
    public TimeSpan? Backoff { get; init; }

    /// <summary>No pause is longer.</summary>
    public TimeSpan? MaxBackoff { get; init; }

    /// <summary>Each pause is so much of the one before: 100 to 1000.</summary>
    public int? MultiplierPercent { get; init; }

    /// <summary>A pause is shortened at random by up to so much: 0 to 100.</summary>
    public int? JitterPercent { get; init; }

    /// <summary>Which causes; empty: all that can be retried.</summary>
    public IReadOnlyList<CauseType> On { get; init; } = [];
}

/// <content>The terms of its life.</content>
public sealed partial record TaskSpec
{
    /// <summary>Null: one attempt.</summary>
    public RetrySpec? Retry { get; init; }
}
