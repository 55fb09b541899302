using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <content>Retries, deadlines, families and groups; the key under which a task is submitted once.</content>
public sealed partial record TaskTerms
{
    /// <summary>Null: one attempt.</summary>
    public RetryTerms? Retry { get; init; }

    /// <summary>When the task is stopped, whether it waits or runs; null: never.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>The task whose end ends this one.</summary>
    public TaskId? Parent { get; init; }

    /// <summary>Only the parent's cancel ends it, not the parent's other ends.</summary>
    public bool Detached { get; init; }

    /// <summary>A name of the tenant's.</summary>
    public string? Group { get; init; }

    /// <summary>Null: each submission is a task.</summary>
    public IdempotencyTerms? Idempotency { get; init; }

    /// <summary>It outlives a restart of the node, and is acknowledged once it is stored; null: as the node is configured.</summary>
    public bool? Durable { get; init; }

    /// <summary>Whether the task needs a life of its own beside its record.</summary>
    public bool HasLife => Durable == true || Retry is not null || Deadline is not null || Parent is not null || Group is not null;
}

/// <summary>A submission that is made once however often it is sent.</summary>
/// <param name="Key">The caller's name for it, unique per tenant.</param>
/// <param name="Fingerprint">Of all its other parameters: the same key with other ones is refused.</param>
public sealed record IdempotencyTerms(string Key, SubmissionFingerprint Fingerprint);

/// <summary>128 bits of a digest over a submission's parameters.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SubmissionFingerprint(ulong High, ulong Low);

/// <summary>When an attempt that failed is followed by another. Immutable; ranges are checked at the front door.</summary>
/// <param name="MaxAttempts">The first counted, 1 to 100.</param>
/// <param name="Backoff">Pause after the first attempt.</param>
/// <param name="MaxBackoff">No pause is longer.</param>
/// <param name="MultiplierPercent">Each pause is so much of the one before: 100 keeps it, 200 doubles it.</param>
/// <param name="JitterPercent">A pause is shortened at random by up to so much, 0 to 100.</param>
/// <param name="On">Bits by <see cref="CauseType"/>: which causes are worth another attempt.</param>
public sealed record RetryTerms(int MaxAttempts, TimeSpan Backoff, TimeSpan MaxBackoff, int MultiplierPercent, int JitterPercent, uint On)
{
    /// <summary>Causes that may be retried; a cancel, a deadline or a stop of the node never are, a forbidden act would be forbidden again.</summary>
    public static IReadOnlyList<CauseType> Retryable { get; } =
        [CauseType.Exit, CauseType.Signal, CauseType.Exception, CauseType.OutOfMemory, CauseType.Timeout, CauseType.DiskQuota, CauseType.WorkerLost];

    public static uint AllRetryable { get; } = Retryable.Aggregate(0u, static (bits, cause) => bits | Bit(cause));

    public static uint Bit(CauseType cause) => 1u << (int)cause;

    /// <summary>The pause before the attempt after <paramref name="attempt"/>.</summary>
    /// <param name="attempt">The one that ended, from 1.</param>
    /// <param name="chance">0 to 1: how much of the jitter is taken off.</param>
    public TimeSpan PauseAfter(int attempt, double chance)
    {
        var factor = Math.Pow(MultiplierPercent / 100.0, Math.Max(0, attempt - 1));
        var pause = Math.Min(MaxBackoff.TotalMilliseconds, Backoff.TotalMilliseconds * factor);
        return TimeSpan.FromMilliseconds(pause * (1 - (JitterPercent / 100.0 * chance)));
    }
}
