using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Ports;

/// <summary>What is told of a task that there is not, to an observer that knows ends only: rejected, with the reason.</summary>
internal sealed class RefusedTask(TaskId id, OperationError refusal) : ITaskView
{
    public TaskId Id => id;

    public TaskKind Kind => TaskKind.None;

    public TaskState State => TaskState.Rejected;

    public TaskCause Cause => new(CauseType.None, 0, refusal.Message);

    public StreamBytes Output => default;

    public StreamBytes Stdout => default;

    public StreamBytes Stderr => default;

    public long StdoutDropped => 0;

    public long StderrDropped => 0;

    public long QueueMicroseconds => 0;

    public long StartMicroseconds => 0;

    public long RunMicroseconds => 0;

    public ulong PeakMemoryBytes => 0;

    public ulong CpuMicroseconds => 0;
}
