using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Client;

/// <content>Webhooks.</content>
public sealed partial class WayangClient
{
    /// <summary>Has events sent to an address; the answer holds the secret, which is shown only now.</summary>
    public Task<WebhookSecretInfo> CreateWebhookAsync(WebhookSpec spec, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return CallAsync("webhook.create", (ref writer) => Write(ref writer, null, spec), Secret, cancellation);
    }

    public Task<IReadOnlyList<WebhookInfo>> ListWebhooksAsync(CancellationToken cancellation = default) =>
        CallAsync("webhook.list", static (ref writer) => writer.WriteMapHeader(0), Webhooks, cancellation);

    public Task<WebhookInfo> GetWebhookAsync(string webhook, CancellationToken cancellation = default) =>
        CallAsync("webhook.get", (ref writer) => Write(ref writer, webhook, new WebhookSpec()), Webhook, cancellation);

    /// <summary>Changes what is given.</summary>
    public Task<WebhookInfo> UpdateWebhookAsync(string webhook, WebhookSpec spec, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return CallAsync("webhook.update", (ref writer) => Write(ref writer, webhook, spec), Webhook, cancellation);
    }

    public Task DeleteWebhookAsync(string webhook, CancellationToken cancellation = default) =>
        CallAsync("webhook.delete", (ref writer) => Write(ref writer, webhook, new WebhookSpec()), Any, cancellation);

    /// <summary>A new secret; the one before it signs too for a while.</summary>
    public Task<WebhookSecretInfo> RotateWebhookAsync(string webhook, TimeSpan? overlap = null, CancellationToken cancellation = default) =>
        CallAsync("webhook.rotate", (ref writer) => WithNumber(ref writer, webhook, "overlap_ms"u8, (long?)overlap?.TotalMilliseconds), Secret, cancellation);

    /// <summary>Sends messages again that were given up: of one event, or all.</summary>
    /// <returns>How many.</returns>
    public async Task<long> ReplayWebhookAsync(string webhook, long? sequence = null, CancellationToken cancellation = default) =>
        (await CallAsync("webhook.replay", (ref writer) => WithNumber(ref writer, webhook, "event"u8, sequence), Replayed, cancellation)).Value;

    /// <summary>How deliveries went, the newest first.</summary>
    public async Task<IReadOnlyList<WebhookDeliveryInfo>> ListDeliveriesAsync(string webhook, string? outcome = null, int limit = 100, CancellationToken cancellation = default) =>
        (await ListDeliveryPageAsync(webhook, outcome, limit, cursor: null, cancellation)).Deliveries;

    /// <summary>The same page by page.</summary>
    /// <param name="webhook">Its id.</param>
    /// <param name="outcome">Only with this; null: any.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cursor">The next of the page before; null: the first one.</param>
    /// <param name="cancellation">Of the call.</param>
    public Task<WebhookDeliveryPage> ListDeliveryPageAsync(string webhook, string? outcome, int limit, string? cursor, CancellationToken cancellation = default) =>
        CallAsync("webhook.deliveries", (ref writer) =>
        {
            writer.WriteMapHeader(2 + One(outcome) + One(cursor));
            RequestEncoders.OptionalText(ref writer, "webhook"u8, webhook);
            RequestEncoders.OptionalText(ref writer, "outcome"u8, outcome);
            RequestEncoders.OptionalNumber(ref writer, "limit"u8, limit);
            RequestEncoders.OptionalText(ref writer, "cursor"u8, cursor);
        }, Deliveries, cancellation);

    private static void Write(ref MessagePackWriter writer, string? webhook, WebhookSpec spec)
    {
        writer.WriteMapHeader(One(webhook) + One(spec.Address) + One(spec.Type) + One(spec.Severity) + One(spec.Tenant) + One(spec.Secret) + One(spec.Since) + One(spec.Enabled));
        RequestEncoders.OptionalText(ref writer, "webhook"u8, webhook);
        RequestEncoders.OptionalText(ref writer, "url"u8, spec.Address);
        RequestEncoders.OptionalText(ref writer, "type"u8, spec.Type);
        RequestEncoders.OptionalText(ref writer, "severity"u8, spec.Severity);
        RequestEncoders.OptionalNumber(ref writer, "tenant"u8, spec.Tenant);
        RequestEncoders.OptionalText(ref writer, "secret"u8, spec.Secret);
        RequestEncoders.OptionalNumber(ref writer, "since"u8, spec.Since);
        if (spec.Enabled is { } enabled)
        {
            writer.WriteString("enabled"u8);
            writer.WriteBoolean(enabled);
        }
    }

    private static int One(object? value) => value is null ? 0 : 1;

    private static void WithNumber(ref MessagePackWriter writer, string webhook, ReadOnlySpan<byte> key, long? number)
    {
        writer.WriteMapHeader(1 + One(number));
        RequestEncoders.OptionalText(ref writer, "webhook"u8, webhook);
        RequestEncoders.OptionalNumber(ref writer, key, number);
    }

    private static Fields? Any(ref MessagePackReader reader) => Fields.Read(ref reader);

    private static WebhookSecretInfo? Secret(ref MessagePackReader reader) => Fields.Read(ref reader) is { } fields
        ? new(fields.Text("webhook"), fields.Text("secret"), ResponseDecoders.Time(fields.Text("former_secret_until"))) : null;

    private static Boxed<long>? Replayed(ref MessagePackReader reader) => Fields.Read(ref reader) is { } fields ? new(fields.Number("replayed")) : null;

    private static WebhookInfo? Webhook(ref MessagePackReader reader) => Fields.Read(ref reader) is { } fields ? Webhook(fields) : null;

    private static IReadOnlyList<WebhookInfo>? Webhooks(ref MessagePackReader reader) => Fields.Read(ref reader)?.Items("webhooks").Select(Webhook).ToList();

    private static WebhookInfo Webhook(Fields fields) => new(
        fields.Text("webhook"), fields.Text("url"), fields.Text("type"), fields.Text("severity"), fields.Has("tenant") ? (int)fields.Number("tenant") : null,
        (int)fields.Number("owner"), ResponseDecoders.Time(fields.Text("created")) ?? default, fields.Flag("enabled"), fields.Text("reason"), fields.Number("cursor"),
        fields.Number("waiting"), fields.Number("dead"), fields.Number("bytes"), fields.Text("problem"));

    private static WebhookDeliveryPage? Deliveries(ref MessagePackReader reader) => Fields.Read(ref reader) is { } page
        ? new WebhookDeliveryPage([.. page.Items("deliveries").Select(Delivery)], page.OptionalText("next")) : null;

    private static WebhookDeliveryInfo Delivery(Fields fields) => new(
        fields.Text("message"), fields.Number("event"), fields.Text("type"), ResponseDecoders.Time(fields.Text("at")) ?? default, (int)fields.Number("attempt"),
        fields.Text("outcome"), (int)fields.Number("status"), fields.Number("duration_us"), fields.Text("detail"));
}
