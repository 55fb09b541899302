using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Pauses, updates and groups: operations that wait for the completion thread, or for tasks, without holding a thread.</summary>
internal static class LifeCalls
{
    private const int DefaultLimit = 100;
    private static readonly TimeSpan s_longestWait = TimeSpan.FromHours(1);

    public static bool Handles(OperationKind kind) => kind is >= OperationKind.TaskPause and <= OperationKind.GroupWait;

    /// <param name="kind">One that <see cref="Handles"/> knows.</param>
    /// <param name="life">Null: this front door was started without.</param>
    /// <param name="tenant">The caller's.</param>
    /// <param name="frame">Valid until the task completes.</param>
    /// <param name="slots">Checked by the operation table.</param>
    /// <param name="stopping">The server ends.</param>
    /// <returns>What writes the result into the reply, or the refusal.</returns>
    public static async Task<(ReplyWriter? Write, OperationError? Refusal)> PerformAsync(
        OperationKind kind, ITaskLife? life, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken stopping)
    {
        if (life is null)
        {
            return (null, new(ErrorCode.Unsupported, "This front door was started without the lives of tasks."));
        }

        if (kind is OperationKind.TaskPause or OperationKind.TaskResume or OperationKind.TaskCheckpoint or OperationKind.TaskUpdate)
        {
            var id = TaskRequest.IdOf(frame.Span, slots);
            var refusal = await ChangeAsync(kind, life, tenant, id, slots);
            return (refusal is null ? (ref writer) => ReplyEncoder.TaskIdMap(ref writer, id) : null, refusal);
        }

        if (kind == OperationKind.GroupList)
        {
            return List(life, tenant, frame.Span, slots);
        }

        var group = Encoding.UTF8.GetString(slots[0].Of(frame.Span));
        if (kind == OperationKind.GroupCancel)
        {
            var refusal = life.CancelGroup(group, tenant, out var asked);
            return (refusal is null ? (ref writer) => Asked(ref writer, group, asked) : null, refusal);
        }

        if (kind == OperationKind.GroupWait)
        {
            if (life.WaitGroup(group, tenant, out var ended) is { } unknown)
            {
                return (null, unknown);
            }

            try
            {
                await ended.WaitAsync(slots[1].Present ? TimeSpan.FromMilliseconds(slots[1].Number) : s_longestWait, stopping);
            }
            catch (TimeoutException)
            {
                return (null, new(ErrorCode.WaitTimeout, "The group had tasks that had not ended when timeout_ms ran out; they go on."));
            }
        }

        var missing = life.GetGroup(group, tenant, out var snapshot);
        return (snapshot is null ? null : (ref writer) => States(ref writer, snapshot), missing);
    }

    private static Task<OperationError?> ChangeAsync(OperationKind kind, ITaskLife life, int tenant, TaskId id, ParameterSlot[] slots)
    {
        if (kind != OperationKind.TaskUpdate)
        {
            return kind switch
            {
                OperationKind.TaskPause => life.PauseAsync(id, tenant),
                OperationKind.TaskCheckpoint => life.CheckpointAsync(id, tenant),
                _ => life.ResumeAsync(id, tenant),
            };
        }

        if (!slots[1].Present && !slots[2].Present && !slots[3].Present)
        {
            return Task.FromResult<OperationError?>(new(ErrorCode.InvalidArgument, "Nothing to change: give class, priority or timeout_ms.", "class"));
        }

        byte? level = null;
        if (slots[1].Present || slots[2].Present)
        {
            var refusal = PriorityLevels.Resolve(
                slots[1].Present ? (TaskClass)slots[1].Number : null, slots[2].Present ? (int)slots[2].Number : null, out var resolved);
            if (refusal is not null)
            {
                return Task.FromResult<OperationError?>(refusal);
            }

            level = resolved;
        }

        return life.UpdateAsync(id, tenant, new TaskUpdate(level, slots[3].Present ? (uint)slots[3].Number : null));
    }

    private static (ReplyWriter? Write, OperationError? Refusal) List(ITaskLife life, int tenant, ReadOnlySpan<byte> frame, ParameterSlot[] slots)
    {
        string? after = null;
        if (slots[1].Present && ListCursor.ReadGroup(slots[1].Of(frame), out after) is { } unknown)
        {
            return (null, unknown);
        }

        var groups = life.ListGroups(tenant, after, slots[0].Present ? (int)slots[0].Number : DefaultLimit, out var more);
        return ((ref writer) => Groups(ref writer, groups, more ? ListCursor.OfGroup(groups[^1].Group) : null), null);
    }

    private static void Groups(ref MessagePackWriter writer, IReadOnlyList<GroupSummary> groups, string? next)
    {
        writer.WriteMapHeader(next is null ? 1 : 2);
        writer.WriteString("groups"u8);
        writer.WriteArrayHeader(groups.Count);
        foreach (var group in groups)
        {
            writer.WriteMapHeader(3);
            ReplyEncoder.Text(ref writer, "group"u8, group.Group);
            ReplyEncoder.Number(ref writer, "live"u8, group.Live);
            writer.WriteString("ended"u8);
            writer.WriteMapHeader(group.Ended.Count);
            foreach (var (state, count) in group.Ended)
            {
                writer.WriteString(WireNames.Utf8(state));
                writer.WriteInt64(count);
            }
        }

        if (next is not null)
        {
            ReplyEncoder.Text(ref writer, "next"u8, next);
        }
    }

    private static void Asked(ref MessagePackWriter writer, string group, int asked)
    {
        writer.WriteMapHeader(2);
        ReplyEncoder.Text(ref writer, "group"u8, group);
        ReplyEncoder.Number(ref writer, "asked"u8, asked);
    }

    private static void States(ref MessagePackWriter writer, GroupSnapshot snapshot)
    {
        writer.WriteMapHeader(2);
        ReplyEncoder.Text(ref writer, "group"u8, snapshot.Group);
        writer.WriteString("states"u8);
        writer.WriteMapHeader(snapshot.States.Count);
        foreach (var (state, count) in snapshot.States)
        {
            writer.WriteString(WireNames.Utf8(state));
            writer.WriteInt64(count);
        }
    }
}

/// <summary>Writes the result of a reply.</summary>
internal delegate void ReplyWriter(ref MessagePackWriter writer);
