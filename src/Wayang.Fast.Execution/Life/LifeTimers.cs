using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Supervision;

namespace Wayang.Fast.Execution.Life;

/// <summary>
/// What tasks wait for outside the scheduler: the next attempt, a deadline. A heap by due time; any thread adds, the supervisor looks.
/// A task that ended leaves its entries behind; when they could be half of the heap they are taken out, so it holds at most
/// twice what is still waited for (and never fewer than <see cref="LeastBound"/>).
/// </summary>
internal sealed class LifeTimers(TaskTable table) : IAttemptTimer
{
    private const int LeastBound = 1024;

    private readonly Lock _lock = new();
    private readonly PriorityQueue<CompletionCommand, long> _heap = new();
    private int _bound = LeastBound;

    /// <summary>Set once by the composition.</summary>
    public Supervisor Supervisor { get; set; } = null!;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _heap.Count;
            }
        }
    }

    public void WakeAt(TaskId id, long timestamp) => Add(new CompletionCommand(CompletionCommandKind.Requeue, Id: id), timestamp);

    /// <param name="command">Posted to the completion thread when it is due; names its task by id.</param>
    public void Add(in CompletionCommand command, long timestamp)
    {
        lock (_lock)
        {
            if (_heap.Count >= _bound)
            {
                DropEnded();
            }

            _heap.Enqueue(command, timestamp);
        }

        Supervisor.WatchDeadline(timestamp);
    }

    /// <summary>Hands over what is due. Supervisor thread.</summary>
    /// <returns>When to look again.</returns>
    public long Sweep(long now, CompletionThread completion)
    {
        while (true)
        {
            CompletionCommand command;
            lock (_lock)
            {
                if (!_heap.TryPeek(out command, out var due))
                {
                    return long.MaxValue;
                }

                if (due > now)
                {
                    return due;
                }

                _heap.Dequeue();
            }

            completion.Post(command);
        }
    }

    private void DropEnded()
    {
        var live = _heap.UnorderedItems.Where(item => table.Find(item.Element.Id) is { State: < TaskState.Succeeded }).ToArray();
        _heap.Clear();
        _heap.EnqueueRange(live);
        _bound = Math.Max(LeastBound, live.Length * 2);
    }
}
