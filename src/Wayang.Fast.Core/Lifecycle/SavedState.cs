using Wayang.Fast.Core.Memory;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// What a task saved for its next attempt. Filled by the completion thread before anybody else knows it, unchanged from then on, and counted: its task has
/// it, and so has whoever sends it to a worker, beside whom the task may end or save anew. The last who lets go gives its memory back.
/// </summary>
public sealed class SavedState
{
    private readonly StateBudget _budget;
    private readonly PayloadBuffer _bytes;
    private int _promised;

    // SYNC POINT: nobody takes hold of one that was let go of; an interlocked exchange each.
    private int _holders;

    internal SavedState(PayloadSlabs slabs, StateBudget budget)
    {
        _budget = budget;
        _bytes = new PayloadBuffer(slabs);
    }

    /// <summary>For who holds it.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.Span;

    /// <summary>Completion thread only, before it is its task's.</summary>
    /// <returns>False: that would be more than was announced.</returns>
    public bool TryAppend(ReadOnlySpan<byte> part)
    {
        if (part.Length > _promised - _bytes.Length)
        {
            return false;
        }

        _bytes.Append(part);
        return true;
    }

    /// <returns>False: it was let go of by all.</returns>
    public bool TryHold()
    {
        var holders = Volatile.Read(ref _holders);
        while (holders > 0)
        {
            var seen = Interlocked.CompareExchange(ref _holders, holders + 1, holders);
            if (seen == holders)
            {
                return true;
            }

            holders = seen;
        }

        return false;
    }

    /// <returns>True: this was the last, and its memory went back.</returns>
    public bool Release()
    {
        if (Interlocked.Decrement(ref _holders) != 0)
        {
            return false;
        }

        _bytes.Clear();
        _budget.Give(_promised);
        return true;
    }

    /// <summary>Its bytes are counted already. While nobody has it.</summary>
    internal void Begin(int bytes)
    {
        _promised = bytes;
        _bytes.EnsureCapacity(bytes);
        Volatile.Write(ref _holders, 1);
    }
}
