using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Contracts.Operations;

/// <summary>How far a node is that takes no new work.</summary>
public enum DrainState : byte
{
    /// <summary>It is not being drained.</summary>
    Serving = 0,

    /// <summary>Something runs here, or waits.</summary>
    Draining,

    /// <summary>Nothing runs or waits here; calls of this node that go on at peers would be lost with it.</summary>
    Idle,

    /// <summary>It may be stopped: nothing is lost by it.</summary>
    Drained,
}

/// <summary>What <c>node.drain</c> answers.</summary>
/// <param name="Since">When it was asked for; null: it was not.</param>
/// <param name="Moved">Calls that went to peers for it.</param>
/// <param name="GivenBack">Calls of other nodes that went home for it.</param>
/// <param name="Running">Tasks that run here, frozen ones too.</param>
/// <param name="Queued">Tasks that wait here.</param>
/// <param name="Away">Calls of this node that go on at peers.</param>
/// <param name="Staying">What does not move, and why: the first of them.</param>
public sealed record DrainProgress(
    DrainState State, DateTimeOffset? Since, int Moved, int GivenBack, int Running, int Queued, int Away, IReadOnlyList<StayingTask> Staying)
{
    /// <summary>Tasks that are told in <see cref="Staying"/> at most.</summary>
    public const int MostStaying = 100;

    /// <summary>The request began the drain, undid it, or named another peer; else it only asked how far it is.</summary>
    public bool Changed { get; init; }
}

/// <param name="Task">Where it is.</param>
/// <param name="State">How it is.</param>
/// <param name="Reason">Why it stays, and what ends that.</param>
public sealed record StayingTask(TaskId Task, TaskState State, string Reason);
