using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Core.Admission;

/// <summary>
/// The bounds of one tenant before the queue, beside the node's (<see cref="AdmissionGate"/>). Any thread, wait-free, as there: added first, taken
/// back when that was too much. A task keeps the gate that admitted it, so a gate whose policy was replaced empties by itself.
/// </summary>
public sealed class TenantGate
{
    private readonly TenantPolicy _policy;
    private readonly OperationError _tooMany;
    private readonly OperationError _tooManyBytes;
    private long _queued;
    private long _bytes;

    /// <param name="policy">With at least one of the bounds.</param>
    /// <param name="retryAfterMs">What a refused caller is told to wait.</param>
    public TenantGate(TenantPolicy policy, int retryAfterMs)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _policy = policy;
        _tooMany = new OperationError(
            ErrorCode.ResourceExhausted,
            FormattableString.Invariant($"tenant '{policy.Name}' has {policy.MaxQueued} tasks queued: its bound max_queued; other tenants are not affected"), RetryAfterMs: retryAfterMs);
        _tooManyBytes = new OperationError(
            ErrorCode.ResourceExhausted,
            FormattableString.Invariant($"the inputs of the queued tasks of tenant '{policy.Name}' reach {policy.MaxQueuedBytes} bytes: its bound max_queued_bytes"), RetryAfterMs: retryAfterMs);
    }

    public long Queued => Volatile.Read(ref _queued);

    public long QueuedBytes => Volatile.Read(ref _bytes);

    /// <summary>Whether a policy needs a gate.</summary>
    public static bool IsFor(TenantPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return policy.MaxQueued > 0 || policy.MaxQueuedBytes > 0;
    }

    /// <summary>Null: admitted, and <see cref="Release"/> is owed with the same number. Refusals allocate nothing.</summary>
    public OperationError? TryAdmit(int bytes)
    {
        if (Interlocked.Increment(ref _queued) > _policy.MaxQueued && _policy.MaxQueued > 0)
        {
            Interlocked.Decrement(ref _queued);
            return _tooMany;
        }

        if (Interlocked.Add(ref _bytes, bytes) > _policy.MaxQueuedBytes && _policy.MaxQueuedBytes > 0)
        {
            Release(bytes);
            return _tooManyBytes;
        }

        return null;
    }

    public void Release(int bytes)
    {
        Interlocked.Decrement(ref _queued);
        Interlocked.Add(ref _bytes, -bytes);
    }
}
