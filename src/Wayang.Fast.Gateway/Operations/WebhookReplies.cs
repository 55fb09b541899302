using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;

namespace Wayang.Fast.Gateway.Operations;

/// <summary>Writes what is told of webhooks.</summary>
internal static class WebhookReplies
{
    private const int Always = 10;
    private const int KeysOfDelivery = 8;

    public static void All(ref MessagePackWriter writer, IReadOnlyList<WebhookView> hooks)
    {
        writer.WriteMapHeader(1);
        writer.WriteString("webhooks"u8);
        writer.WriteArrayHeader(hooks.Count);
        foreach (var hook in hooks)
        {
            Write(ref writer, hook);
        }
    }

    public static void Write(ref MessagePackWriter writer, WebhookView view)
    {
        var hook = view.Hook;
        var former = hook.FormerSecret.IsEmpty ? 0 : hook.FormerUntilUnixMs;
        writer.WriteMapHeader(Always + One(hook.Filter.Type.Length > 0) + One(hook.Filter.Tenant is not null) + One(hook.Reason.Length > 0) + One(former > 0) + One(view.Problem is not null));
        ReplyEncoder.Text(ref writer, "webhook"u8, hook.Id);
        ReplyEncoder.Text(ref writer, "url"u8, hook.Url);
        Optional(ref writer, "type"u8, hook.Filter.Type);
        ReplyEncoder.Text(ref writer, "severity"u8, WireNames.Text(hook.Filter.Severity));
        if (hook.Filter.Tenant is { } only)
        {
            ReplyEncoder.Number(ref writer, "tenant"u8, only);
        }

        ReplyEncoder.Number(ref writer, "owner"u8, hook.Tenant);
        ReplyEncoder.Text(ref writer, "created"u8, Time(hook.CreatedUnixMs));
        writer.WriteString("enabled"u8);
        writer.WriteBoolean(hook.IsEnabled);
        Optional(ref writer, "reason"u8, hook.Reason);
        Optional(ref writer, "former_secret_until"u8, former > 0 ? Time(former) : string.Empty);
        ReplyEncoder.Number(ref writer, "cursor"u8, view.Cursor);
        ReplyEncoder.Number(ref writer, "waiting"u8, view.Backlog.Waiting);
        ReplyEncoder.Number(ref writer, "dead"u8, view.Backlog.Dead);
        ReplyEncoder.Number(ref writer, "bytes"u8, view.Backlog.Bytes);
        Optional(ref writer, "problem"u8, view.Problem ?? string.Empty);
    }

    public static void Id(ref MessagePackWriter writer, string id)
    {
        writer.WriteMapHeader(1);
        ReplyEncoder.Text(ref writer, "webhook"u8, id);
    }

    /// <summary>The only place where it is shown.</summary>
    public static void Secret(ref MessagePackWriter writer, StoredWebhook hook)
    {
        writer.WriteMapHeader(hook.FormerSecret.IsEmpty ? 2 : 3);
        ReplyEncoder.Text(ref writer, "webhook"u8, hook.Id);
        ReplyEncoder.Text(ref writer, "secret"u8, WebhookSecret.Text(hook.Secret.Span));
        Optional(ref writer, "former_secret_until"u8, hook.FormerSecret.IsEmpty ? string.Empty : Time(hook.FormerUntilUnixMs));
    }

    public static void Replayed(ref MessagePackWriter writer, string id, int count)
    {
        writer.WriteMapHeader(2);
        ReplyEncoder.Text(ref writer, "webhook"u8, id);
        ReplyEncoder.Number(ref writer, "replayed"u8, count);
    }

    public static void Deliveries(ref MessagePackWriter writer, string id, IReadOnlyList<WebhookAttempt> tries, string? next)
    {
        writer.WriteMapHeader(1 + One(next is not null));
        Optional(ref writer, "next"u8, next ?? string.Empty);
        writer.WriteString("deliveries"u8);
        writer.WriteArrayHeader(tries.Count);
        foreach (var tried in tries)
        {
            writer.WriteMapHeader(KeysOfDelivery + One(tried.Detail.Length > 0));
            ReplyEncoder.Text(ref writer, "message"u8, WebhookSender.IdOf(id, tried.Sequence));
            ReplyEncoder.Number(ref writer, "event"u8, tried.Sequence);
            ReplyEncoder.Text(ref writer, "type"u8, tried.Type);
            ReplyEncoder.Text(ref writer, "at"u8, Time(tried.AtUnixMs));
            ReplyEncoder.Number(ref writer, "attempt"u8, tried.Attempt);
            ReplyEncoder.Text(ref writer, "outcome"u8, WireNames.Text(tried.Outcome));
            ReplyEncoder.Number(ref writer, "status"u8, tried.Status);
            ReplyEncoder.Number(ref writer, "duration_us"u8, tried.DurationUs);
            Optional(ref writer, "detail"u8, tried.Detail);
        }
    }

    private static void Optional(ref MessagePackWriter writer, ReadOnlySpan<byte> key, string value)
    {
        if (value.Length > 0)
        {
            ReplyEncoder.Text(ref writer, key, value);
        }
    }

    private static string Time(long unixMs) => ReplyEncoder.Time(DateTimeOffset.FromUnixTimeMilliseconds(unixMs));

    private static int One(bool condition) => condition ? 1 : 0;
}
