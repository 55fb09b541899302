using System.Diagnostics.CodeAnalysis;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Dispatch;

/// <summary>
/// Workers that have indices to collect. One producer (the completion thread), one consumer at a time (the dispatch
/// owner), wait-free. A worker stands here at most once (its own flag), so 65,536 places are always enough: there are no
/// more workers.
/// </summary>
internal sealed class ReleasedWorkers
{
    private const int Capacity = 65536;

    private readonly CallWorker?[] _items = new CallWorker?[Capacity];
    private long _head;
    private long _tail;

    public void Push(CallWorker worker)
    {
        _items[_tail & (Capacity - 1)] = worker;
        // SYNC POINT: release; pairs with the acquire load in TryPop.
        Volatile.Write(ref _tail, _tail + 1);
    }

    public bool TryPop([NotNullWhen(true)] out CallWorker? worker)
    {
        if (Volatile.Read(ref _tail) == _head)
        {
            worker = null;
            return false;
        }

        ref var item = ref _items[_head & (Capacity - 1)];
        worker = item!;
        item = null;
        _head++;
        return true;
    }
}
