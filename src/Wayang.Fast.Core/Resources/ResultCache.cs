using System.Diagnostics.CodeAnalysis;

namespace Wayang.Fast.Core.Resources;

/// <summary>What a pure task wrote; immutable.</summary>
public sealed record CachedResult(byte[] Output, byte[] Stdout, byte[] Stderr)
{
    /// <summary>What it counts for, its place in the table included.</summary>
    public long Bytes => Output.Length + (long)Stdout.Length + Stderr.Length + EntryBytes;

    private const int EntryBytes = 256;
}

/// <summary>
/// Results of pure tasks by the hash of all that they depend on. Each tenant has a bound of bytes, and what was used longest ago
/// leaves first, so no tenant can push out another's. A hash includes the tenant: nobody learns what another has run. Thread-safe.
/// </summary>
public sealed class ResultCache
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ResultKey, LinkedListNode<Entry>> _entries = [];
    private readonly Dictionary<int, Tenant> _tenants = [];
    private long _bytesPerTenant;
    private long _hits;
    private long _misses;

    /// <param name="bytesPerTenant">0: nothing is kept.</param>
    public ResultCache(long bytesPerTenant)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytesPerTenant);
        _bytesPerTenant = bytesPerTenant;
    }

    public long Hits => Volatile.Read(ref _hits);

    public long Misses => Volatile.Read(ref _misses);

    /// <summary>Bytes that are held for all tenants.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
            {
                return _tenants.Values.Sum(static t => t.Bytes);
            }
        }
    }

    public bool IsOn => Volatile.Read(ref _bytesPerTenant) > 0;

    /// <summary>Another bound; what is over it leaves.</summary>
    public void Change(long bytesPerTenant)
    {
        lock (_lock)
        {
            Volatile.Write(ref _bytesPerTenant, bytesPerTenant);
            foreach (var tenant in _tenants.Values)
            {
                Shrink(tenant);
            }
        }
    }

    public bool TryFind(int tenant, ResultKey key, [NotNullWhen(true)] out CachedResult? result)
    {
        ArgumentNullException.ThrowIfNull(key);
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out var node) && node.Value.Tenant == tenant)
            {
                var order = _tenants[tenant].Order;
                order.Remove(node);
                order.AddFirst(node);
                result = node.Value.Result;
                _hits++;
                return true;
            }

            _misses++;
            result = null;
            return false;
        }
    }

    /// <summary>Keeps a result; one that is over a quarter of the tenant's bound is not kept, as it would push out all others.</summary>
    public void Add(int tenant, ResultKey key, CachedResult result)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(result);
        lock (_lock)
        {
            if (result.Bytes > _bytesPerTenant / 4 || _entries.ContainsKey(key))
            {
                return;
            }

            if (!_tenants.TryGetValue(tenant, out var owner))
            {
                owner = new Tenant();
                _tenants.Add(tenant, owner);
            }

            _entries.Add(key, owner.Order.AddFirst(new Entry(tenant, key, result)));
            owner.Bytes += result.Bytes;
            Shrink(owner);
        }
    }

    private void Shrink(Tenant tenant)
    {
        while (tenant.Bytes > _bytesPerTenant && tenant.Order.Last is { } last)
        {
            tenant.Order.RemoveLast();
            tenant.Bytes -= last.Value.Result.Bytes;
            _entries.Remove(last.Value.Key);
        }
    }

    private sealed record Entry(int Tenant, ResultKey Key, CachedResult Result);

    private sealed class Tenant
    {
        public LinkedList<Entry> Order { get; } = []; // used last first

        public long Bytes { get; set; }
    }
}
