using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <content>Pauses, updates, groups.</content>
public sealed partial class WayangClient
{
    /// <summary>Holds a queued task, or stops the processes of a running command.</summary>
    /// <exception cref="WayangException"><see cref="ErrorCode.Unsupported"/> for a call that runs already.</exception>
    public Task PauseAsync(TaskId id, CancellationToken cancellation = default) => OfTaskAsync("task.pause", id, cancellation);

    /// <summary>Writes a running call into a file of the node; it is paused, and goes on from there when it is resumed.</summary>
    public Task CheckpointAsync(TaskId id, CancellationToken cancellation = default) => OfTaskAsync("task.checkpoint", id, cancellation);

    /// <summary>Lets a running call go on at a peer, or at its home again; returns when it does.</summary>
    /// <param name="id">The task.</param>
    /// <param name="node">A peer by its name; null: home.</param>
    /// <param name="cancellation">Of the wait.</param>
    public Task<TaskMoves> MigrateAsync(TaskId id, string? node, CancellationToken cancellation = default) =>
        CallAsync(
            "task.migrate",
            (ref writer) =>
            {
                writer.WriteMapHeader(node is null ? 1 : 2);
                RequestEncoders.Id(ref writer, id);
                if (node is not null)
                {
                    writer.WriteString("to"u8);
                    writer.WriteString(node);
                }
            },
            LifeDecoders.Moved,
            cancellation);

    /// <summary>Lets a paused task go on.</summary>
    public Task ResumeAsync(TaskId id, CancellationToken cancellation = default) => OfTaskAsync("task.resume", id, cancellation);

    /// <summary>Changes what a queued task waits as; null keeps what it has.</summary>
    /// <exception cref="WayangException"><see cref="ErrorCode.Conflict"/> when it was started already.</exception>
    public Task UpdateAsync(TaskId id, TaskClass? taskClass = null, int? priority = null, TimeSpan? timeout = null, CancellationToken cancellation = default) =>
        CallAsync(
            "task.update",
            (ref writer) =>
            {
                writer.WriteMapHeader(1 + (taskClass is null ? 0 : 1) + (priority is null ? 0 : 1) + (timeout is null ? 0 : 1));
                RequestEncoders.Id(ref writer, id);
                if (taskClass is { } wanted)
                {
                    writer.WriteString("class"u8);
                    writer.WriteString(WireNames.Text(wanted));
                }

                RequestEncoders.OptionalNumber(ref writer, "priority"u8, priority);
                RequestEncoders.OptionalNumber(ref writer, "timeout_ms"u8, (long?)timeout?.TotalMilliseconds);
            },
            ResponseDecoders.Id,
            cancellation);

    public Task<GroupInfo> GetGroupAsync(string group, CancellationToken cancellation = default) =>
        CallAsync("group.get", (ref writer) => Group(ref writer, group, null), LifeDecoders.Group, cancellation);

    /// <summary>The tenant's groups, in the order of their names.</summary>
    /// <param name="limit">At most so many.</param>
    /// <param name="cursor">The next of the page before; null: the first one.</param>
    /// <param name="cancellation">Of the call.</param>
    public Task<GroupPage> ListGroupsAsync(int limit = 100, string? cursor = null, CancellationToken cancellation = default) =>
        CallAsync(
            "group.list",
            (ref writer) =>
            {
                writer.WriteMapHeader(cursor is null ? 1 : 2);
                RequestEncoders.OptionalNumber(ref writer, "limit"u8, limit);
                RequestEncoders.OptionalText(ref writer, "cursor"u8, cursor);
            },
            LifeDecoders.Groups,
            cancellation);

    /// <summary>Asks all tasks of a group that have not ended to stop.</summary>
    /// <returns>How many were asked.</returns>
    public async Task<int> CancelGroupAsync(string group, CancellationToken cancellation = default) =>
        (await CallAsync("group.cancel", (ref writer) => Group(ref writer, group, null), LifeDecoders.Asked, cancellation)).Value;

    /// <summary>Returns when no task of the group is left that has not ended.</summary>
    /// <exception cref="WayangException"><see cref="ErrorCode.WaitTimeout"/> when that took longer; without a timeout, after an hour.</exception>
    public Task<GroupInfo> WaitGroupAsync(string group, TimeSpan? timeout = null, CancellationToken cancellation = default) =>
        CallAsync("group.wait", (ref writer) => Group(ref writer, group, timeout), LifeDecoders.Group, cancellation);

    private Task<Boxed<TaskId>> OfTaskAsync(string operation, TaskId id, CancellationToken cancellation) =>
        CallAsync(
            operation,
            (ref writer) =>
            {
                writer.WriteMapHeader(1);
                RequestEncoders.Id(ref writer, id);
            },
            ResponseDecoders.Id,
            cancellation);

    private static void Group(ref MessagePackWriter writer, string group, TimeSpan? timeout)
    {
        writer.WriteMapHeader(timeout is null ? 1 : 2);
        writer.WriteString("group"u8);
        writer.WriteString(group);
        RequestEncoders.OptionalNumber(ref writer, "timeout_ms"u8, (long?)timeout?.TotalMilliseconds);
    }
}
