using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests;

/// <summary>Remembers what it was told.</summary>
internal sealed class RecordingObserver : ITaskObserver
{
    public List<(TaskId Id, TaskState State, CauseType Cause, long Token)> Ends { get; } = [];

    public int Batches { get; private set; }

    public void OnTaskEnded(ITaskView task, long token) => Ends.Add((task.Id, task.State, task.Cause.Type, token));

    public void OnBatchEnd() => Batches++;
}
