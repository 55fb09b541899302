using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Answers <c>node.drain</c>.</summary>
internal static class DrainCalls
{
    /// <param name="drain">Null: this front door was started without.</param>
    /// <param name="tenant">The caller's.</param>
    /// <param name="frame">Valid until the task completes.</param>
    /// <param name="slots">Checked by the table.</param>
    /// <param name="cancellation">Of the wait.</param>
    /// <returns>What writes the result into the reply, or the refusal.</returns>
    public static async Task<(ReplyWriter? Write, OperationError? Refusal)> PerformAsync(
        INodeDrain? drain, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken cancellation)
    {
        if (drain is null)
        {
            return (null, new(ErrorCode.Unsupported, "This runtime belongs to one caller, and ends with it: only a node that was started with 'wayang serve' is drained."));
        }

        if (tenant != 0)
        {
            return (null, new(ErrorCode.PermissionDenied, "The node serves other tenants too: only the default tenant may drain it."));
        }

        if (slots[2].Present && slots[2].Number != 0)
        {
            var now = drain.Undo();
            return ((ref writer) => Write(ref writer, now), null);
        }

        var to = slots[0].Present ? Encoding.UTF8.GetString(slots[0].Of(frame.Span)) : null;
        var (progress, refusal) = await drain.DrainAsync(to, TimeSpan.FromMilliseconds(slots[1].Present ? slots[1].Number : 0), tenant, cancellation);
        return progress is null ? (null, refusal) : ((ref writer) => Write(ref writer, progress), null);
    }

    private static void Write(ref MessagePackWriter writer, DrainProgress progress)
    {
        writer.WriteMapHeader(progress.Since is null ? 8 : 9);
        ReplyEncoder.Text(ref writer, "state"u8, WireNames.Text(progress.State));
        writer.WriteString("changed"u8);
        writer.WriteBoolean(progress.Changed);
        if (progress.Since is { } since)
        {
            ReplyEncoder.Text(ref writer, "since"u8, ReplyEncoder.Time(since));
        }

        ReplyEncoder.Number(ref writer, "moved"u8, progress.Moved);
        ReplyEncoder.Number(ref writer, "given_back"u8, progress.GivenBack);
        ReplyEncoder.Number(ref writer, "running"u8, progress.Running);
        ReplyEncoder.Number(ref writer, "queued"u8, progress.Queued);
        ReplyEncoder.Number(ref writer, "away"u8, progress.Away);
        writer.WriteString("staying"u8);
        writer.WriteArrayHeader(progress.Staying.Count);
        foreach (var task in progress.Staying)
        {
            writer.WriteMapHeader(3);
            ReplyEncoder.Text(ref writer, "task"u8, task.Task.ToString());
            ReplyEncoder.Text(ref writer, "state"u8, WireNames.Text(task.State));
            ReplyEncoder.Text(ref writer, "reason"u8, task.Reason);
        }
    }
}
