using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Lifecycle;
using Wayang.Fast.Execution.Durable;

namespace Wayang.Fast.Execution;

/// <summary>
/// What is told of tasks. Of a durable one all of its way, each step in the commit that stores it; of another one its end, if the configuration has it told, by way of
/// the desk's queue.
/// </summary>
internal sealed class TaskEvents(EventDesk desk) : IEndEvents
{
    public bool TellsSuccess => desk.Tasks == ToldTasks.All;

    public void OnEnded(TaskRecord record, TaskState state, in TaskCause cause)
    {
        // A durable one was told in its commit; one that could not be stored never was a task to its submitter.
        if (desk.Tasks != ToldTasks.Durable && record.Life is not ({ IsDurable: true } or { AwaitsLedger: true }))
        {
            desk.OnEnded(Ended(record, state, cause));
        }
    }

    public static NodeEvent Submitted(TaskId id, int tenant, DurableSpec spec) => new(
        0, id.UnixMilliseconds, EventTypes.TaskSubmitted, EventSeverity.Info, tenant, id, EventData.Write((ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(spec.Terms.Group is null ? 2 : 3);
            EventData.Text(ref writer, "kind", WireNames.Text(spec.Kind));
            EventData.Text(ref writer, "class", WireNames.Text(PriorityLevels.ClassOf(spec.Level)));
            EventData.Group(ref writer, spec.Terms.Group);
        }));

    public static NodeEvent Started(TaskRecord record, int attempt, long unixMs) => new(
        0, unixMs, EventTypes.TaskStarted, EventSeverity.Info, record.Tenant, record.Id, EventData.Attempt(attempt, record.Terms?.Group, record.Life?.SavedBytes ?? 0));

    public static NodeEvent Saved(TaskId id, int tenant, string? group, long bytes, long unixMs) => new(
        0, unixMs, EventTypes.TaskSaved, EventSeverity.Info, tenant, id, EventData.Saved(bytes, group));

    /// <param name="next">The attempt that follows.</param>
    public static NodeEvent Retrying(TaskId id, int tenant, string? group, int next, long unixMs) => new(
        0, unixMs, EventTypes.TaskRetrying, EventSeverity.Warning, tenant, id, EventData.Attempt(next, group));

    public static NodeEvent Ended(TaskId id, int tenant, TaskState state, EndFacts facts, long unixMs) => new EndedTask(
        id, tenant, facts.Kind, facts.Level, state, facts.Cause)
    {
        UnixMs = unixMs, Attempt = facts.Life.Attempt, Group = facts.Life.Group, Image = facts.Image, Function = facts.Function, QueueMicroseconds = facts.QueueMicroseconds,
        StartMicroseconds = facts.StartMicroseconds, RunMicroseconds = facts.RunMicroseconds, IsDurable = true,
    }.ToEvent();

    private static EndedTask Ended(TaskRecord record, TaskState state, in TaskCause cause)
    {
        TaskService.Names(record.Target, record.Function, out var image, out var function);
        return new EndedTask(record.Id, record.Tenant, record.Kind, record.Level, state, cause)
        {
            UnixMs = record.SubmittedUnixMs + ((record.QueueMicroseconds + record.StartMicroseconds + record.RunMicroseconds) / 1000),
            Attempt = record.Life?.Attempt ?? 1, Group = record.Terms?.Group, Image = image, Function = function, QueueMicroseconds = record.QueueMicroseconds,
            StartMicroseconds = record.StartMicroseconds, RunMicroseconds = record.RunMicroseconds,
        };
    }
}
