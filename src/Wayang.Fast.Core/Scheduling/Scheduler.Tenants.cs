using System.Runtime.CompilerServices;

namespace Wayang.Fast.Core.Scheduling;

/// <content>
/// Tenants: a pool belongs to one. While there is one tenant without a bound the pools of a level take turns
/// (<see cref="ReadyPools"/>); from the second on <see cref="FairShares"/> chooses among them.
/// </content>
public sealed partial class Scheduler
{
    private readonly Dictionary<int, int> _tenantNumbers = [];
    private FairShares? _shares;

    /// <summary>Whether tenants are told apart. Once they are, they stay so.</summary>
    public bool IsFair => _shares is not null;

    /// <summary>Gives a tenant its weight and bound, also while its tasks run. One without a call of this has the defaults.</summary>
    public void SetShare(int tenant, TenantShare share)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(share.Weight, TenantShare.MinWeight, nameof(share));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share.Weight, TenantShare.MaxWeight, nameof(share));
        ArgumentOutOfRangeException.ThrowIfNegative(share.MaxRunning, nameof(share));
        var number = NumberOf(tenant);
        if (share.MaxRunning != 0)
        {
            TellApart();
        }

        _sharesGiven[number] = share;
        _shares?.Set(number, share.Weight, share.MaxRunning == 0 ? int.MaxValue : share.MaxRunning);
    }

    /// <summary>Tasks of a tenant that left and were not yet finished. Any thread; a momentary value.</summary>
    public int RunningOf(int tenant)
    {
        lock (_tenantNumbers)
        {
            return !_tenantNumbers.TryGetValue(tenant, out var number) ? 0 : _shares?.RunningOf(number) ?? (number == _soleOwner ? Outstanding : 0);
        }
    }

    /// <summary>What waits in the pool waits for the bound of its tenant. Any thread; a momentary value.</summary>
    public bool IsHeld(int pool)
    {
        var pools = Volatile.Read(ref _pools);
        return Volatile.Read(ref _shares) is { } shares && (uint)pool < (uint)pools.Length && shares.IsHeld(pools[pool].Tenant);
    }

    /// <summary>A task that came from <see cref="TryDequeue"/> (or passed) runs no more: the node's slot is free again, and its tenant
    /// is charged. The pool's slot returns by <see cref="AddSlots"/>.</summary>
    /// <param name="pool">Where it came from.</param>
    /// <param name="level">The level it was taken from.</param>
    /// <param name="ticks">How long it had the slot, in ticks of the scheduler's clock; negative: it never ran.</param>
    public void Finish(int pool, int level, long ticks)
    {
        _nodeFree++;
        _shares?.Finish(_pools[pool].Tenant, level, ticks);
    }

    private int NumberOf(int tenant)
    {
        lock (_tenantNumbers) // read by others for their statistics
        {
            if (_tenantNumbers.TryGetValue(tenant, out var number))
            {
                return number;
            }

            number = _tenantNumbers.Count;
            _tenantNumbers.Add(tenant, number);
            if (number == _sharesGiven.Length)
            {
                Array.Resize(ref _sharesGiven, number * 2);
            }

            _sharesGiven[number] = TenantShare.Default;
            _shares?.Reserve(number + 1, _poolCount);
            return number;
        }
    }

    /// <summary>From now on the tenants of a level are chosen by what they have had.</summary>
    private void TellApart()
    {
        if (_shares is not null)
        {
            return;
        }

        var shares = new FairShares(_time.TimestampFrequency);
        shares.Reserve(_tenantNumbers.Count, _pools.Length);
        for (var pool = 0; pool < _poolCount; pool++)
        {
            ref var entry = ref _pools[pool];
            if (entry.Used)
            {
                shares.Move(pool, entry.Tenant, ReadyPools.NoLevel, entry.ReadyLevel);
            }
        }

        for (var number = 0; number < _tenantNumbers.Count; number++)
        {
            var share = _sharesGiven[number];
            shares.Set(number, share.Weight, share.MaxRunning == 0 ? int.MaxValue : share.MaxRunning);
        }

        if (_soleOwner >= 0)
        {
            shares.Begin(_soleOwner, Outstanding);
        }

        Volatile.Write(ref _shares, shares);
    }

    /// <summary>As <see cref="TryDequeue"/>, when tenants are told apart.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryDequeueFair(FairShares shares, out ScheduledTask item)
    {
        if (shares.IsEmpty || _nodeFree <= 0)
        {
            item = default;
            EndTurn();
            return false;
        }

        var level = shares.HighestLevel;
        var pool = shares.Next(level);
        ref var entry = ref _pools[pool];
        _nodeFree--;
        shares.Start(entry.Tenant, level); // first: the tenant is not taken for one that comes back
        var task = Take(pool, ref entry, level, out var levelEmptied);
        if (--entry.FreeSlots <= 0 || levelEmptied)
        {
            Relink(pool, ref entry);
        }

        item = new ScheduledTask(task, pool, (byte)level);
        return true;
    }

    private static bool TryPassFair(FairShares shares, ref Pool entry, int level)
    {
        if (shares.IsHeld(entry.Tenant))
        {
            return false;
        }

        shares.Pass(entry.Tenant, level);
        return true;
    }
}
