using System.Buffers;
using System.Runtime.InteropServices;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>A <c>task.output</c>: which piece of which stream is wanted, and the writing of its reply.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct OutputRequest(TaskId Id, OutputStream Stream, long Offset, int Length, int WaitMs)
{
    private const int DefaultPieceBytes = 1 << 20;

    public static OutputRequest Of(ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots) => new(
        TaskRequest.IdOf(frame, slots),
        (OutputStream)slots[1].Number,
        slots[2].Number,
        slots[3].Present ? (int)slots[3].Number : DefaultPieceBytes,
        (int)slots[4].Number);

    /// <summary>There is something to answer: bytes behind the offset, or the end.</summary>
    public OperationError? Look(ITaskService tasks, int tenant, out bool ready)
    {
        var refusal = tasks.ReadOutput(Id, tenant, Stream, Offset, default, out var chunk);
        ready = refusal is null && (chunk.Ended || chunk.Total > Offset);
        return refusal;
    }

    public OperationError? Write(ref MessagePackWriter writer, ITaskService tasks, int tenant)
    {
        var piece = ArrayPool<byte>.Shared.Rent(Length);
        try
        {
            var refusal = tasks.ReadOutput(Id, tenant, Stream, Offset, piece.AsSpan(0, Length), out var chunk);
            if (refusal is not null)
            {
                return refusal;
            }

            writer.WriteMapHeader(5);
            writer.WriteString("data"u8);
            writer.WriteBinary(piece.AsSpan(0, chunk.Count));
            ReplyEncoder.Number(ref writer, "offset"u8, Offset);
            ReplyEncoder.Number(ref writer, "total_bytes"u8, chunk.Total);
            ReplyEncoder.Number(ref writer, "dropped_bytes"u8, chunk.Dropped);
            writer.WriteString("ended"u8);
            writer.WriteBoolean(chunk.Ended);
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }
}
