using System.Runtime.InteropServices;
using Wayang.Fast.Core.Admission;

namespace Wayang.Fast.Execution;

/// <summary>
/// One tenant at this node: its policy, which a reload replaces, and what it has used. Any thread reads; the counters are
/// written by the shard's owner, <see cref="Refused"/> by any submitter.
/// </summary>
internal sealed class Tenant
{
    private const int RetryAfterMs = 50;
    private readonly Used _used = new();
    private volatile Terms _terms;

    // Of the terms, for whoever submits: a look less. A submission beside a reload may meet one of before and one of after.
    private volatile TenantGate? _gate;
    private volatile int _highestLevel;

    public Tenant(TenantPolicy policy)
    {
        _terms = Terms.Of(policy);
        Spread(_terms);
    }

    public int Id => _terms.Policy.Id;

    public TenantPolicy Policy => _terms.Policy;

    /// <summary>Its quotas of the queue; null: it has none.</summary>
    public TenantGate? Gate => _gate;

    /// <summary>The highest level that it may submit at.</summary>
    public int HighestLevel => _highestLevel;

    /// <summary>Submissions that its own bounds or its class refused.</summary>
    public long Refused => Volatile.Read(ref _used.Refused);

    /// <summary>Tasks that had a slot and gave it back.</summary>
    public long Finished => Volatile.Read(ref _used.Finished);

    /// <summary>How long they had it together, in ticks of the stopwatch.</summary>
    public long SlotTicks => Volatile.Read(ref _used.SlotTicks);

    /// <summary>One at a time. Quotas that stay as they are go on counting what they counted.</summary>
    public void Replace(TenantPolicy policy)
    {
        var (before, terms) = (_terms, Terms.Of(policy));
        _terms = QueueBounds(before.Policy) == QueueBounds(policy)
            ? terms with { Gate = before.Gate }
            : terms;
        Spread(_terms);
    }

    private static TenantPolicy QueueBounds(TenantPolicy policy) => policy with { Share = default, Users = [], HighestClass = default, Connect = null };

    public void CountRefusal() => Interlocked.Increment(ref _used.Refused);

    /// <summary>The shard's owner.</summary>
    public void CountFinished(long ticks)
    {
        Volatile.Write(ref _used.Finished, _used.Finished + 1);
        Volatile.Write(ref _used.SlotTicks, _used.SlotTicks + Math.Max(0, ticks));
    }

    private void Spread(Terms terms)
    {
        _gate = terms.Gate;
        _highestLevel = terms.HighestLevel;
    }

    /// <summary>Apart from what every submission reads: these are written for each task, on another processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private sealed class Used
    {
        [FieldOffset(128)]
        public long Finished;

        [FieldOffset(136)]
        public long SlotTicks;

        [FieldOffset(144)]
        public long Refused;
    }

    /// <summary>What belongs together, replaced as one.</summary>
    private sealed record Terms(TenantPolicy Policy, TenantGate? Gate, int HighestLevel)
    {
        public static Terms Of(TenantPolicy policy) =>
            new(policy, TenantGate.IsFor(policy) ? new TenantGate(policy, RetryAfterMs) : null, policy.HighestLevel);
    }
}
