using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>What the homes of calls ask of the node where those go on. Whose each is, is the asking connection's certificate to say.</summary>
internal static class HandoverCalls
{
    private static readonly byte[][] s_lengths = [.. ((string[])["output_bytes", "stdout_bytes", "stderr_bytes", "log_bytes"]).Select(Encoding.UTF8.GetBytes)];

    public static bool Handles(OperationKind kind) => kind >= OperationKind.PeerOffer;

    /// <param name="kind">One that <see cref="Handles"/> knows.</param>
    /// <param name="host">Null: no call of another node goes on here.</param>
    /// <param name="peer">The configured name of who asks.</param>
    /// <param name="frame">Valid until the task completes.</param>
    /// <param name="slots">Checked by the table.</param>
    /// <param name="stopping">The server ends.</param>
    public static async Task<(ReplyWriter? Write, OperationError? Refusal)> PerformAsync(
        OperationKind kind, IHandoverHost? host, string peer, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken stopping)
    {
        if (host is null)
        {
            return (null, new(ErrorCode.Unsupported, "This node takes no calls of others."));
        }

        var handover = Text(frame.Span, slots[0]);
        switch (kind)
        {
            case OperationKind.PeerWatch:
                var (news, unknown) = await host.WatchAsync(peer, handover, slots[1].Present ? slots[1].Number : -1, TimeSpan.FromMilliseconds(slots[2].Number), stopping);
                return news is null ? (null, unknown) : ((ref writer) => News(ref writer, news), null);
            case OperationKind.PeerRead:
                return Read(host, peer, handover, slots);
            case OperationKind.PeerOffer:
                return Taken(handover, await host.OfferAsync(Offer(peer, handover, frame.Span, slots)));
            case OperationKind.PeerCommit:
                var (begun, refused) = await host.CommitAsync(peer, handover, stopping);
                return begun is null ? (null, refused) : ((ref writer) => News(ref writer, begun), null);
            case OperationKind.PeerRecall:
                return Taken(handover, await host.RecallAsync(peer, handover));
            default:
                return Taken(handover, Perform(kind, host, peer, handover, frame.Span, slots));
        }
    }

    private static OperationError? Perform(OperationKind kind, IHandoverHost host, string peer, string handover, ReadOnlySpan<byte> frame, ParameterSlot[] slots) => kind switch
    {
        OperationKind.PeerStop => host.Stop(
            peer, handover, EndOf(slots[1]), new TaskCause((CauseType)slots[2].Number, 0, slots[3].Present ? Text(frame, slots[3]) : null)),
        OperationKind.PeerRelease => host.Release(peer, handover),
        _ => new(ErrorCode.Internal, $"No handler for {kind}."),
    };

    private static VisitOffer Offer(string peer, string handover, ReadOnlySpan<byte> frame, ParameterSlot[] slots) => new(
        peer, Text(frame, slots[1]), handover, TaskId.TryParse(slots[2].Of(frame), out var id) ? id : default, Text(frame, slots[3]), slots[4].Of(frame).ToArray(),
        slots[5].Present ? slots[5].Of(frame).ToArray() : []);

    /// <summary>Nothing but an end is asked for.</summary>
    private static TaskState EndOf(in ParameterSlot slot) => (TaskState)slot.Number is >= TaskState.Succeeded and var state ? state : TaskState.Cancelled;

    private static (ReplyWriter? Write, OperationError? Refusal) Read(IHandoverHost host, string peer, string handover, ParameterSlot[] slots)
    {
        var (piece, refusal) = host.Read(peer, handover, (VisitPart)slots[1].Number, slots[2].Number);
        return piece is null ? (null, refusal) : ((ref writer) =>
        {
            writer.WriteMapHeader(1);
            writer.WriteString("data"u8);
            writer.WriteBinary(piece.Data.Span);
        }, null);
    }

    private static (ReplyWriter? Write, OperationError? Refusal) Taken(string handover, OperationError? refusal) => refusal is not null ? (null, refusal) : ((ref writer) =>
    {
        writer.WriteMapHeader(1);
        ReplyEncoder.Text(ref writer, "handover"u8, handover);
    }, null);

    private static void News(ref MessagePackWriter writer, VisitNews news)
    {
        writer.WriteMapHeader(7 + (news.GoesOnFor == TimeSpan.Zero ? 0 : 1) + (news.End is null ? 0 : 1) + (news.Reason is null ? 0 : 1) + (news.FileBytes == 0 ? 0 : 2) + (news.SavedTimes == 0 ? 0 : 2));
        ReplyEncoder.Number(ref writer, "number"u8, news.Number);
        ReplyEncoder.Text(ref writer, "state"u8, WireNames.Text(news.State));
        for (var i = 0; i < s_lengths.Length; i++)
        {
            ReplyEncoder.Number(ref writer, s_lengths[i], news.Lengths[i]);
        }

        writer.WriteString("progress"u8);
        writer.WriteBinary(news.Progress.Span);
        if (news.GoesOnFor > TimeSpan.Zero)
        {
            ReplyEncoder.Number(ref writer, "begun_us"u8, (long)news.GoesOnFor.TotalMicroseconds);
        }

        if (news.End is { } end)
        {
            writer.WriteString("end"u8);
            writer.WriteMapHeader(4);
            ReplyEncoder.Text(ref writer, "state"u8, WireNames.Text(end.State));
            writer.WriteString("cause"u8);
            CauseFields.Write(ref writer, end.Cause, traceback: true);
            ReplyEncoder.Number(ref writer, "peak_memory_bytes"u8, (long)end.PeakMemoryBytes);
            ReplyEncoder.Number(ref writer, "cpu_us"u8, (long)end.CpuMicroseconds);
        }

        if (news.Reason is { } reason)
        {
            ReplyEncoder.Text(ref writer, "reason"u8, reason);
        }

        if (news.FileBytes > 0)
        {
            ReplyEncoder.Number(ref writer, "file_bytes"u8, news.FileBytes);
            ReplyEncoder.Number(ref writer, "standing_us"u8, (long)news.Standing.TotalMicroseconds);
        }

        if (news.SavedTimes > 0)
        {
            ReplyEncoder.Number(ref writer, "saved_times"u8, news.SavedTimes);
            ReplyEncoder.Number(ref writer, "saved_bytes"u8, news.SavedBytes);
        }
    }

    private static string Text(ReadOnlySpan<byte> frame, in ParameterSlot slot) => Encoding.UTF8.GetString(slot.Of(frame));
}
