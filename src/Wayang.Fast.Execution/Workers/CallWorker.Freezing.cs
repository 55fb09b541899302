using Wayang.Fast.Execution.Preemption;

namespace Wayang.Fast.Execution.Workers;

/// <content>A worker that stands still with its calls. Dispatch owner, but for <see cref="IsFrozen"/>.</content>
internal sealed partial class CallWorker
{
    private volatile bool _isFrozen;
    private FrozenCall[]? _frozenCalls;
    private long _frozenKey;
    private long _frozenTicks;
    private long _frozenOrder = -1;

    /// <summary>Its processes stand still, or are about to. Any thread.</summary>
    public bool IsFrozen => _isFrozen;

    /// <summary>How long the calls that it has have been frozen altogether.</summary>
    public long FrozenTicksOfCall
    {
        get => _frozenOrder == NextOrder ? _frozenTicks : 0;
        set => (_frozenTicks, _frozenOrder) = (value, NextOrder);
    }

    /// <summary>What it has in flight while it stands still, a place for each index; used again at the next freeze.</summary>
    public FrozenCall[] FrozenCalls => _frozenCalls ??= new FrozenCall[Entries.Length];

    /// <param name="key">Of the freeze; <see cref="FrozenCalls"/> were written before.</param>
    public void Freeze(long key)
    {
        _frozenKey = key;
        _isFrozen = true;
    }

    /// <summary>What is left of a frozen call's timeout, in ticks, which somebody else keeps from now on; <see cref="long.MaxValue"/>: none.</summary>
    public long TakeFrozenTime(int index)
    {
        var left = long.MaxValue;
        foreach (ref var call in FrozenCalls.AsSpan())
        {
            if (call.Index == index)
            {
                (left, call) = (call.TimeLeft, call with { TimeLeft = long.MaxValue });
            }
        }

        return left == long.MaxValue ? left : Math.Max(1, left);
    }

    /// <summary>The freeze that is over.</summary>
    public (long Key, FrozenCall[] Calls) Thaw()
    {
        _isFrozen = false;
        return (_frozenKey, FrozenCalls);
    }
}
