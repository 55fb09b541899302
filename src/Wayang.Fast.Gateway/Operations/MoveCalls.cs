using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Answers <c>task.migrate</c>, and writes what is told of moves.</summary>
internal static class MoveCalls
{
    public static async Task<(ReplyWriter? Write, OperationError? Refusal)> PerformAsync(
        ITaskMoves? moves, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken cancellation)
    {
        if (moves is null)
        {
            return (null, new(ErrorCode.Unsupported, "This node has no peers that a call could go on at: name them in its configuration (peers:)."));
        }

        var id = TaskRequest.IdOf(frame.Span, slots);
        var node = slots[1].Present ? Encoding.UTF8.GetString(slots[1].Of(frame.Span)) : null;
        var (moved, refusal) = await moves.MigrateAsync(id, tenant, node, MoveReason.Asked, cancellation);
        return moved is null ? (null, refusal) : ((ref writer) => Moved(ref writer, id, moved), null);
    }

    /// <summary>How many keys <see cref="Write"/> writes.</summary>
    public static int Count(TaskMoves moves) => moves.Node is null ? 5 : 6;

    public static void Write(ref MessagePackWriter writer, TaskMoves moves)
    {
        if (moves.Node is { } node)
        {
            ReplyEncoder.Text(ref writer, "node"u8, node);
        }

        ReplyEncoder.Number(ref writer, "times"u8, moves.Times);
        ReplyEncoder.Number(ref writer, "bytes"u8, moves.Bytes);
        ReplyEncoder.Number(ref writer, "pause_us"u8, (long)moves.Pause.TotalMicroseconds);
        ReplyEncoder.Text(ref writer, "at"u8, ReplyEncoder.Time(moves.At));
        ReplyEncoder.Text(ref writer, "why"u8, WireNames.Text(moves.Why));
    }

    private static void Moved(ref MessagePackWriter writer, TaskId id, TaskMoves moves)
    {
        writer.WriteMapHeader(1 + Count(moves));
        ReplyEncoder.Text(ref writer, "task"u8, id.ToString());
        Write(ref writer, moves);
    }
}
