using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Core.Events;

/// <summary>What is told of a task's end. A value: the thread that ends tasks copies it into a place that is there, and makes nothing.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct EndedTask(TaskId Id, int Tenant, TaskKind Kind, byte Level, TaskState State, TaskCause Cause)
{
    private const int Always = 8;

    public long UnixMs { get; init; }

    public int Attempt { get; init; }

    public string? Image { get; init; }

    public string? Function { get; init; }

    /// <summary>Null: it is in none.</summary>
    public string? Group { get; init; }

    public long QueueMicroseconds { get; init; }

    public long StartMicroseconds { get; init; }

    public long RunMicroseconds { get; init; }

    public bool IsDurable { get; init; }

    public NodeEvent ToEvent() => new(
        0, UnixMs, EventTypes.TaskPrefix + WireNames.Text(State), State is TaskState.Succeeded or TaskState.Cancelled ? EventSeverity.Info : EventSeverity.Warning, Tenant, Id,
        EventData.Write(this, static (ref writer, in end) => end.Write(ref writer)));

    private void Write(ref MessagePackWriter writer)
    {
        var withImage = !string.IsNullOrEmpty(Image);
        var withFunction = !string.IsNullOrEmpty(Function);
        writer.WriteMapHeader(Always + (Kind == TaskKind.None ? 0 : 1) + (withImage ? 1 : 0) + (withFunction ? 1 : 0) + (Group is null ? 0 : 1));
        EventData.Text(ref writer, "state", WireNames.Text(State));
        EventData.Cause(ref writer, Cause);
        if (Kind != TaskKind.None)
        {
            EventData.Text(ref writer, "kind", WireNames.Text(Kind));
        }

        EventData.Text(ref writer, "class", WireNames.Text(PriorityLevels.ClassOf(Level)));
        if (withImage)
        {
            EventData.Text(ref writer, "image", Image!);
        }

        if (withFunction)
        {
            EventData.Text(ref writer, "function", Function!);
        }

        EventData.Number(ref writer, "attempt", Math.Max(1, Attempt));
        EventData.Number(ref writer, "queue_us", QueueMicroseconds);
        EventData.Number(ref writer, "start_us", StartMicroseconds);
        EventData.Number(ref writer, "run_us", RunMicroseconds);
        EventData.Group(ref writer, Group);
        writer.WriteString("durable");
        writer.WriteBoolean(IsDurable);
    }
}
