using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>Told of ends, on the completion thread, before anybody else: must not block, allocate or throw.</summary>
public interface IEndEvents
{
    /// <summary>Tasks that succeeded are told, too.</summary>
    bool TellsSuccess { get; }

    void OnEnded(TaskRecord record, TaskState state, in TaskCause cause);
}
