using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>What can be done with tasks between submission and end beside waiting and cancelling. Thread-safe; nothing here blocks.</summary>
public interface ITaskLife
{
    /// <summary>Holds a queued task, or stops the processes of a running command; done twice it does no harm.</summary>
    Task<OperationError?> PauseAsync(TaskId id, int tenant);

    /// <summary>Lets a paused task go on.</summary>
    Task<OperationError?> ResumeAsync(TaskId id, int tenant);

    /// <summary>Writes a running call into a file; the task is paused, and goes on from there when it is resumed.</summary>
    Task<OperationError?> CheckpointAsync(TaskId id, int tenant);

    /// <summary>Changes what a queued task waits as.</summary>
    Task<OperationError?> UpdateAsync(TaskId id, int tenant, TaskUpdate update);

    /// <summary>Asks all tasks of a group that have not ended to stop.</summary>
    /// <param name="group">The group's name.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="asked">How many they are.</param>
    OperationError? CancelGroup(string group, int tenant, out int asked);

    OperationError? GetGroup(string group, int tenant, out GroupSnapshot? snapshot);

    /// <summary>A tenant's groups in the order of their names (by code units).</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="after">Only those behind this name; null: from the first on.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="more">There are others behind the last.</param>
    IReadOnlyList<GroupSummary> ListGroups(int tenant, string? after, int limit, out bool more);

    /// <summary>Completes when no task of the group is left that has not ended; at once when there is none.</summary>
    OperationError? WaitGroup(string group, int tenant, out Task ended);
}

/// <summary>What a queued task is to wait as; null keeps what it has.</summary>
public sealed record TaskUpdate(byte? Level, uint? TimeoutMs);

/// <summary>A group of now: how many of its tasks are in each state, ended ones since it began.</summary>
public sealed record GroupSnapshot(string Group, IReadOnlyDictionary<TaskState, long> States);

/// <summary>A group in a list.</summary>
/// <param name="Live">Tasks that have not ended.</param>
/// <param name="Ended">Those that ended since it began; states that none ended in are left out.</param>
public sealed record GroupSummary(string Group, long Live, IReadOnlyDictionary<TaskState, long> Ended);
