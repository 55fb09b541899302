using System.Diagnostics.CodeAnalysis;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <content>Tasks that stand still, their slot lent to another.</content>
public sealed partial class TaskLifecycle
{
    /// <summary>Running to frozen. Any thread; whoever does it has its processes frozen.</summary>
    /// <param name="record">Of the task, or by now of another.</param>
    /// <param name="id">The task's.</param>
    /// <returns>False when it does not run: it has ended, or its record is another task's.</returns>
    [SuppressMessage("Performance", "CA1822", Justification = "all transitions are asked of the lifecycle")]
    public bool TryFreeze(TaskRecord record, TaskId id) => TryChange(record, id, TaskState.Running, TaskState.Frozen);

    /// <summary>Frozen to running.</summary>
    /// <returns>False when it was not frozen.</returns>
    [SuppressMessage("Performance", "CA1822", Justification = "all transitions are asked of the lifecycle")]
    public bool TryThaw(TaskRecord record, TaskId id) => TryChange(record, id, TaskState.Frozen, TaskState.Running);

    /// <summary>What is told of the task's preemptions from now on. Any thread.</summary>
    /// <returns>False when there is no such task any more.</returns>
    public bool Note(TaskId id, TaskPreemption preemption)
    {
        if (!TryPin(id, out var record))
        {
            return false;
        }

        record.NeedLife().Preemption = preemption;
        Unpin(record);
        return true;
    }

    private static bool TryChange(TaskRecord record, TaskId id, TaskState from, TaskState to)
    {
        ArgumentNullException.ThrowIfNull(record);
        var word = Volatile.Read(ref record.Word);
        while (TaskTable.Matches(record, word, id) && RecordWord.State(word) == from)
        {
            // The word holds the generation: a record that became another task's does not change.
            var seen = Interlocked.CompareExchange(ref record.Word, (word & ~RecordWord.StateMask) | (ulong)to, word);
            if (seen == word)
            {
                return true;
            }

            word = seen;
        }

        return false;
    }
}
