using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>The operations of webhooks: they wait for the ledger without holding a thread.</summary>
internal static class WebhookCalls
{
    private const int DefaultLimit = 100;

    public static bool Handles(OperationKind kind) => kind is >= OperationKind.WebhookCreate and <= OperationKind.WebhookDeliveries;

    /// <param name="kind">One that <see cref="Handles"/> knows.</param>
    /// <param name="desk">Null: this node has none.</param>
    /// <param name="tenant">The caller's.</param>
    /// <param name="frame">Valid until the task completes.</param>
    /// <param name="slots">Checked by the operation table.</param>
    /// <param name="cancellation">The caller gives up, or the server ends.</param>
    /// <returns>What writes the result into the reply, or the refusal.</returns>
    public static async Task<(ReplyWriter? Write, OperationError? Refusal)> PerformAsync(
        OperationKind kind, WebhookDesk? desk, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken cancellation)
    {
        if (desk is null)
        {
            return (null, new(ErrorCode.Unsupported, "This node has no webhooks: they stand in its ledger (ledger.enabled, state.directory), and webhooks.max must not be 0."));
        }

        if (kind == OperationKind.WebhookCreate)
        {
            return await CreateAsync(desk, tenant, frame, slots, cancellation);
        }

        if (kind == OperationKind.WebhookList)
        {
            var (hooks, unread) = desk.List(tenant);
            return unread is null ? ((ref writer) => WebhookReplies.All(ref writer, hooks), null) : (null, unread);
        }

        var id = Text(frame, slots[0])!;
        switch (kind)
        {
            case OperationKind.WebhookGet:
                return Described(desk.Get(tenant, id));
            case OperationKind.WebhookUpdate:
                var wish = new WebhookWish
                {
                    Url = Text(frame, slots[1]), Type = Text(frame, slots[2]), Severity = SeverityOf(slots[3]), Tenant = slots[4].Present ? (int)slots[4].Number : null,
                    IsEnabled = slots[5].Present ? slots[5].Number == 1 : null,
                };
                return Described(await desk.UpdateAsync(tenant, id, wish, cancellation));
            case OperationKind.WebhookDelete:
                var refusal = await desk.DeleteAsync(tenant, id, cancellation);
                return refusal is null ? ((ref writer) => WebhookReplies.Id(ref writer, id), null) : (null, refusal);
            case OperationKind.WebhookRotate:
                var (rotated, unchanged) = await desk.RotateAsync(tenant, id, slots[1].Present ? TimeSpan.FromMilliseconds(slots[1].Number) : null, cancellation);
                return rotated is null ? (null, unchanged) : ((ref writer) => WebhookReplies.Secret(ref writer, rotated), null);
            case OperationKind.WebhookReplay:
                var (replayed, kept) = await desk.ReplayAsync(tenant, id, slots[1].Present ? slots[1].Number : null);
                return kept is null ? ((ref writer) => WebhookReplies.Replayed(ref writer, id, replayed), null) : (null, kept);
            default:
                return Deliveries(desk, tenant, id, frame.Span, slots);
        }
    }

    /// <summary>One more than is told is read: it says whether there is a next page.</summary>
    private static (ReplyWriter? Write, OperationError? Refusal) Deliveries(WebhookDesk desk, int tenant, string id, ReadOnlySpan<byte> frame, ReadOnlySpan<ParameterSlot> slots)
    {
        var before = 0L;
        if (slots[3].Present && ListCursor.Read(slots[3].Of(frame), id, out before) is { } unknown)
        {
            return (null, unknown);
        }

        var limit = slots[2].Present ? (int)slots[2].Number : DefaultLimit;
        var (tries, untold) = desk.Deliveries(tenant, id, slots[1].Present ? (AttemptOutcome)slots[1].Number : null, limit + 1, slots[3].Present ? before : null);
        var next = tries.Count > limit ? ListCursor.Of(id, tries[limit - 1].Place) : null;
        return untold is null ? ((ref writer) => WebhookReplies.Deliveries(ref writer, id, [.. tries.Take(limit)], next), null) : (null, untold);
    }

    private static async Task<(ReplyWriter? Write, OperationError? Refusal)> CreateAsync(
        WebhookDesk desk, int tenant, ReadOnlyMemory<byte> frame, ParameterSlot[] slots, CancellationToken cancellation)
    {
        byte[]? secret = null;
        if (slots[4].Present && !WebhookSecret.TryParse(Text(frame, slots[4])!, out secret))
        {
            return (null, new(ErrorCode.InvalidArgument, "'secret' is not whsec_ with the base64 of 24 to 64 bytes behind it; leave it out, and one is made.", "secret"));
        }

        var wish = new WebhookWish
        {
            Url = Text(frame, slots[0]), Type = Text(frame, slots[1]), Severity = SeverityOf(slots[2]), Tenant = slots[3].Present ? (int)slots[3].Number : null, Secret = secret,
            Since = slots[5].Present ? slots[5].Number : null,
        };
        var (made, refusal) = await desk.CreateAsync(tenant, wish, cancellation);
        return made is null ? (null, refusal) : ((ref writer) => WebhookReplies.Secret(ref writer, made), null);
    }

    private static (ReplyWriter? Write, OperationError? Refusal) Described((WebhookView? Hook, OperationError? Refusal) found) =>
        found.Hook is { } hook ? ((ref writer) => WebhookReplies.Write(ref writer, hook), null) : (null, found.Refusal);

    private static EventSeverity? SeverityOf(in ParameterSlot slot) => slot.Present ? (EventSeverity)slot.Number : null;

    private static string? Text(ReadOnlyMemory<byte> frame, in ParameterSlot slot) => slot.Present ? Encoding.UTF8.GetString(slot.Of(frame.Span)) : null;
}
