using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;

namespace Wayang.Fast.Client;

/// <content>What the home of a call asks of the node where it goes on.</content>
public sealed partial class WayangClient
{
    internal Task OfferAsync(string handover, string boot, TaskId task, string tenant, ReadOnlyMemory<byte> spec, ReadOnlyMemory<byte> shape, CancellationToken cancellation) =>
        OfHandoverAsync("peer.offer", handover, shape.IsEmpty ? 4 : 5, (ref writer) =>
        {
            Text(ref writer, "boot"u8, boot);
            RequestEncoders.Id(ref writer, task);
            Text(ref writer, "tenant"u8, tenant);
            writer.WriteString("spec"u8);
            writer.WriteBinary(spec.Span);
            if (!shape.IsEmpty)
            {
                writer.WriteString("shape"u8);
                writer.WriteBinary(shape.Span);
            }
        }, cancellation);

    internal Task<VisitNews> CommitVisitAsync(string handover, CancellationToken cancellation) =>
        CallAsync(
            "peer.commit",
            (ref writer) =>
            {
                writer.WriteMapHeader(1);
                Text(ref writer, "handover"u8, handover);
            },
            HandoverDecoders.News,
            cancellation);

    internal Task RecallVisitAsync(string handover, CancellationToken cancellation) => OfHandoverAsync("peer.recall", handover, 0, null, cancellation);

    internal Task ReleaseVisitAsync(string handover, CancellationToken cancellation) => OfHandoverAsync("peer.release", handover, 0, null, cancellation);

    internal Task StopVisitAsync(string handover, TaskState state, TaskCause cause, CancellationToken cancellation) =>
        OfHandoverAsync("peer.stop", handover, cause.Detail is null ? 2 : 3, (ref writer) =>
        {
            Text(ref writer, "state"u8, WireNames.Text(state));
            Text(ref writer, "cause"u8, WireNames.Text(cause.Type));
            if (cause.Detail is { } detail)
            {
                Text(ref writer, "detail"u8, detail);
            }
        }, cancellation);

    internal Task<VisitNews> WatchVisitAsync(string handover, long known, TimeSpan wait, CancellationToken cancellation) =>
        CallAsync(
            "peer.watch",
            (ref writer) =>
            {
                writer.WriteMapHeader(known < 0 ? 2 : 3);
                Text(ref writer, "handover"u8, handover);
                RequestEncoders.OptionalNumber(ref writer, "known"u8, known < 0 ? null : known);
                Number(ref writer, "wait_ms"u8, (long)wait.TotalMilliseconds);
            },
            HandoverDecoders.News,
            cancellation);

    internal Task<VisitPiece> ReadVisitAsync(string handover, VisitPart part, long offset, CancellationToken cancellation) =>
        CallAsync(
            "peer.read",
            (ref writer) =>
            {
                writer.WriteMapHeader(3);
                Text(ref writer, "handover"u8, handover);
                Text(ref writer, "part"u8, WireNames.Text(part));
                Number(ref writer, "offset"u8, offset);
            },
            HandoverDecoders.Piece,
            cancellation);

    private Task<Boxed<int>> OfHandoverAsync(string operation, string handover, int more, RequestEncoder? write, CancellationToken cancellation) =>
        CallAsync(
            operation,
            (ref writer) =>
            {
                writer.WriteMapHeader(1 + more);
                Text(ref writer, "handover"u8, handover);
                write?.Invoke(ref writer);
            },
            HandoverDecoders.Taken,
            cancellation);

    private static void Text(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        writer.WriteString(key);
        writer.WriteString(value);
    }

    private static void Number(ref MessagePackWriter writer, ReadOnlySpan<byte> key, long value)
    {
        writer.WriteString(key);
        writer.WriteInt64(value);
    }
}
