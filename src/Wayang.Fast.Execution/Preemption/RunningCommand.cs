using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Workers;

namespace Wayang.Fast.Execution.Preemption;

/// <summary>A command that has a slot, as the dispatch owner knows it: it may be frozen for another.</summary>
internal sealed class RunningCommand(TaskRecord record, WorkerPool pool, byte takenLevel, long started)
{
    public TaskId Id { get; } = record.Id;

    /// <summary>Of the task table; whose the record is by now, its id says.</summary>
    public int Slot { get; } = record.Slot;

    public WorkerPool Pool { get; } = pool;

    /// <summary>The level that the scheduler took it from.</summary>
    public byte TakenLevel { get; } = takenLevel;

    /// <summary>Its own.</summary>
    public byte Level { get; } = record.Level;

    /// <summary>Timestamp from which its slot is still to be charged.</summary>
    public long Since { get; set; } = started;

    /// <summary>How long it has been frozen altogether.</summary>
    public long FrozenTicks { get; set; }

    /// <summary>0: it runs.</summary>
    public long Key { get; set; }
}

/// <summary>A call of a worker that stands still.</summary>
/// <param name="Index">In flight.</param>
/// <param name="Ticket">Of the attempt.</param>
/// <param name="Slot">Of the task table.</param>
/// <param name="TakenLevel">The level that the scheduler took it from.</param>
/// <param name="TimeLeft">Of its timeout, in ticks; <see cref="long.MaxValue"/>: it had none to lose.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct FrozenCall(int Index, uint Ticket, TaskId Id, int Slot, byte TakenLevel, long TimeLeft);
