using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Execution;

/// <summary>
/// One tenant at this node: its policy, which a reload replaces, and what it has used. Any thread reads; the counters are
/// written by the shard's owner, <see cref="Refused"/> by any submitter.
/// </summary>
internal sealed class Tenant
{
    private const int RetryAfterMs = 50;
    private volatile Terms _terms;
    private long _refused;
    private long _finished;
    private long _slotTicks;

    public Tenant(TenantPolicy policy) => _terms = Terms.Of(policy);

    public int Id => _terms.Policy.Id;

    public TenantPolicy Policy => _terms.Policy;

    /// <summary>Its quotas of the queue; null: it has none.</summary>
    public TenantGate? Gate => _terms.Gate;

    /// <summary>The highest level that it may submit at.</summary>
    public int HighestLevel => _terms.HighestLevel;

    /// <summary>Submissions that its own bounds or its class refused.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>Tasks that had a slot and gave it back.</summary>
    public long Finished => Volatile.Read(ref _finished);

    /// <summary>How long they had it together, in ticks of the stopwatch.</summary>
    public long SlotTicks => Volatile.Read(ref _slotTicks);

    /// <summary>One at a time. Quotas that stay as they are go on counting what they counted.</summary>
    public void Replace(TenantPolicy policy)
    {
        var (before, terms) = (_terms, Terms.Of(policy));
        _terms = before.Policy with { Share = default, Users = [], HighestClass = default } == policy with { Share = default, Users = [], HighestClass = default }
            ? terms with { Gate = before.Gate }
            : terms;
    }

    public void CountRefusal() => Interlocked.Increment(ref _refused);

    /// <summary>The shard's owner.</summary>
    public void CountFinished(long ticks)
    {
        Volatile.Write(ref _finished, _finished + 1);
        Volatile.Write(ref _slotTicks, _slotTicks + Math.Max(0, ticks));
    }

    /// <summary>What belongs together, replaced as one.</summary>
    private sealed record Terms(TenantPolicy Policy, TenantGate? Gate, int HighestLevel)
    {
        public static Terms Of(TenantPolicy policy) =>
            new(policy, TenantGate.IsFor(policy) ? new TenantGate(policy, RetryAfterMs) : null, policy.HighestLevel);
    }
}
