using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Execution.Workers;

/// <summary>
/// How a call worker weighs beside others for the processors: as the highest class among its calls of the last second or two, and of those in
/// flight. It is raised before the call is in its ring, and lowered when the supervisor has seen a whole tick without
/// a higher one: calls of classes that come by turns would otherwise cost two messages each.
/// </summary>
/// <param name="started">What it is started as: the class that waited for it then.</param>
internal sealed class WorkerWeight(TaskClass started)
{
    private int _peak; // highest level and 1 since the last tick; 0: none
    private int _unsettled = 1;
    private int _told = (int)started;

    /// <summary>What the spawner was told last. Written by the supervisor.</summary>
    public TaskClass Told => (TaskClass)Volatile.Read(ref _told);

    /// <summary>A call of this level says nothing new since the last tick. Dispatch owner.</summary>
    public bool Covers(byte level) => level < _peak;

    /// <summary>A call of a level that is not covered. Dispatch owner.</summary>
    /// <returns>The class that the worker is to weigh as from now on; null: as it does.</returns>
    public TaskClass? Note(byte level)
    {
        Volatile.Write(ref _peak, level + 1);
        var wanted = ClassOf(level);
        var decides = Volatile.Read(ref _unsettled) != 0; // it did nothing for a while: the first call says all
        Volatile.Write(ref _unsettled, 0);
        return wanted > Told || (decides && wanted != Told) ? wanted : null;
    }

    /// <summary>Supervisor.</summary>
    /// <returns>False: it weighs so already.</returns>
    public bool Tell(TaskClass taskClass)
    {
        if (Told == taskClass)
        {
            return false;
        }

        Volatile.Write(ref _told, (int)taskClass);
        return true;
    }

    /// <summary>
    /// At each tick of the supervisor. A call that is noted meanwhile may be forgotten: it is counted among those in flight, or the next
    /// one is noted.
    /// </summary>
    /// <param name="entries">The calls in flight.</param>
    /// <returns>The class that it needs no more than; null: leave it.</returns>
    public TaskClass? OnTick(ReadOnlySpan<InFlightEntry> entries)
    {
        var peak = Volatile.Read(ref _peak);
        if (peak == 0)
        {
            Volatile.Write(ref _unsettled, 1);
            return null;
        }

        var flying = 0;
        foreach (ref readonly var entry in entries)
        {
            if (Volatile.Read(in entry.Ticket) != 0)
            {
                flying = Math.Max(flying, entry.Level + 1);
            }
        }

        Volatile.Write(ref _peak, flying);
        return ClassOf((byte)(Math.Max(peak, flying) - 1));
    }

    /// <summary>The runtime's own class has no weight of its own among workers.</summary>
    public static TaskClass ClassOf(byte level) => PriorityLevels.ClassOf(level) is var of && of > TaskClass.Urgent ? TaskClass.Urgent : of;
}
