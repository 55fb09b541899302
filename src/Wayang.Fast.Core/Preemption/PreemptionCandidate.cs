using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Preemption;

/// <summary>A task (or a worker with several, of which the highest counts) that runs and could be frozen.</summary>
/// <param name="Key">The owner's name for it.</param>
/// <param name="Level">Its own, not what ageing made of it.</param>
/// <param name="RunTicks">How long it has run, frozen times left out: what would be lost if it never went on.</param>
/// <param name="Bytes">Memory that it holds, as far as it is known.</param>
/// <param name="FrozenTicks">How long it has been frozen before.</param>
/// <param name="GuardTicks">Ageing got it its slot: it is no victim of those whom it was lifted past before it has run for so long. 0: it came by its own level.</param>
/// <param name="LiftedTo">The level that ageing had brought it to. What is not above its own means nothing.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PreemptionCandidate(long Key, byte Level, long RunTicks, long Bytes, long FrozenTicks, long GuardTicks = 0, byte LiftedTo = 0)
{
    /// <summary>
    /// The level at which it goes on, once it was frozen for a task of this one: that to which it was lifted, which it has waited for; its own, where that task is
    /// one of those whom it was lifted past, or it would go on at once in front of it.
    /// </summary>
    public byte GoesOnAt(byte waiting) => LiftedTo > Level && LiftedTo < waiting ? LiftedTo : Level;
}

/// <summary>What came of looking for a victim.</summary>
public enum PreemptionVerdict
{
    Chosen,

    /// <summary>Nothing runs there that may be frozen for the task that waits.</summary>
    NoVictim,

    /// <summary>As many tasks are frozen as may be.</summary>
    TooManyTasks,

    /// <summary>Frozen tasks hold as much memory as they may.</summary>
    TooManyBytes,

    /// <summary>What could be frozen has been frozen for as long as it may be.</summary>
    FrozenLongEnough,
}

/// <summary>A task that stands still, its slot lent.</summary>
/// <param name="Key">The owner's name for it.</param>
/// <param name="Level">At which it goes on: <see cref="PreemptionCandidate.GoesOnAt"/>.</param>
/// <param name="Bytes">Memory that it holds meanwhile.</param>
/// <param name="Since">Timestamp of the freeze.</param>
/// <param name="FrozenTicks">How long it had been frozen before.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct FrozenTask(long Key, byte Level, long Bytes, long Since, long FrozenTicks);

/// <summary>What a frozen task finds when it could go on.</summary>
/// <param name="HasSlot">A slot of its pool, and one of the node, is free for it.</param>
/// <param name="HighestWaiting">The highest level of a task that waits for the same slots; -1: none does.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ThawRoom(bool HasSlot, int HighestWaiting);
