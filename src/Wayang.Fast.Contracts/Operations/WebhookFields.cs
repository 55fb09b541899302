namespace Wayang.Fast.Contracts.Operations;

/// <summary>The operations of webhooks.</summary>
internal static class WebhookFields
{
    private const int MaxUrl = 2_048;
    private const int MaxType = 128;
    private const int MaxSecret = 128;
    private const int MaxId = 64;
    private const long LongestOverlapMs = 30L * 24 * 3_600_000;

    private static readonly RequestField s_webhook = new("webhook", FieldType.Text, "Its id.") { Required = true, Min = 1, Max = MaxId };

    private static readonly RequestField s_url = new("url", FieldType.Text, "Where events are sent: https://HOST/PATH, an address of the public internet.") { Min = 1, Max = MaxUrl };

    private static readonly RequestField[] s_filter =
    [
        new("type", FieldType.Text, "What types begin with, by whole names: wayang.task, wayang.incident.heal; default: any.") { Min = 1, Max = MaxType },
        new("severity", FieldType.Choice, "At least so; default info.") { Choices = ["info", "warning", "error"] },
        new("tenant", FieldType.Integer, "Only events of this tenant; the default tenant may ask so, others are told of themselves alone."),
    ];

    private static readonly ResponseField[] s_described =
    [
        new("webhook", "text", "Its id."),
        new("url", "text", "Where events are sent."),
        new("type", "text", "What types begin with.", Optional: true),
        new("severity", "text", "At least so."),
        new("tenant", "integer", "Only events of this tenant.", Optional: true),
        new("owner", "integer", "The tenant whose it is."),
        new("created", "time", "ISO 8601."),
        new("enabled", "boolean", "Events are sent."),
        new("reason", "text", "Why they are not.", Optional: true),
        new("former_secret_until", "time", "Until then the secret before this one signs too.", Optional: true),
        new("cursor", "integer", "Events up to this number were looked at."),
        new("waiting", "integer", "Messages that are still to be sent."),
        new("dead", "integer", "Messages that were given up, and can be replayed."),
        new("bytes", "integer", "Of both."),
        new("problem", "text", "What keeps it from going on.", Optional: true),
    ];

    private static readonly ResponseField s_id = new("webhook", "text", "Its id.");

    private static readonly ResponseField s_secret = new("secret", "text", "Its key, whsec_ and base64: shown here alone, and needed to verify.");

    public static IReadOnlyList<Operation> Operations { get; } =
    [
        Of(OperationKind.WebhookCreate, "webhook.create", "Has events sent to an address as they happen, signed as Standard Webhooks says: docs/webhooks.md.",
            [
                s_url with { Required = true },
                .. s_filter,
                new("secret", FieldType.Text, "Its key, whsec_ and the base64 of 24 to 64 bytes; default: one is made.") { Min = 1, Max = MaxSecret },
                new("since", FieldType.Integer, "The first events that are told follow this number; 0: from the oldest that is kept; default: from now on.") { Max = long.MaxValue },
            ],
            [s_id, s_secret]) with { IsAudited = true },
        Of(OperationKind.WebhookList, "webhook.list", "The tenant's webhooks; the default tenant is told of all.", [], [new("webhooks", "list of map", "As webhook.get answers.")]),
        Of(OperationKind.WebhookGet, "webhook.get", "A webhook, and how it gets on.", [s_webhook], s_described),
        Of(OperationKind.WebhookUpdate, "webhook.update", "Changes where a webhook's events are sent, which, or whether.",
            [
                s_webhook, s_url, .. s_filter,
                new("enabled", FieldType.Flag, "Events are sent; while they are not, they wait as long as they are kept."),
            ],
            s_described) with { IsAudited = true },
        Of(OperationKind.WebhookDelete, "webhook.delete", "Removes a webhook, with what it had to send.", [s_webhook], [s_id]) with { IsAudited = true },
        Of(OperationKind.WebhookRotate, "webhook.rotate", "Gives a webhook a new secret; the one before it signs too for a while, so that receivers can follow.",
            [s_webhook, new("overlap_ms", FieldType.Integer, "For so long; default as configured (webhooks.rotation_hours).") { Max = LongestOverlapMs }],
            [s_id, s_secret, new("former_secret_until", "time", "Until then the secret before it signs too.")]) with { IsAudited = true },
        Of(OperationKind.WebhookReplay, "webhook.replay", "Sends messages again that were given up, under their old ids.",
            [s_webhook, new("event", FieldType.Integer, "Only of the event with this number; default: all.") { Max = long.MaxValue }],
            [s_id, new("replayed", "integer", "How many.")]) with { IsAudited = true },
        Of(OperationKind.WebhookDeliveries, "webhook.deliveries", "How deliveries went, the newest first.",
            [
                s_webhook,
                new("outcome", FieldType.Choice, "Only with this outcome.") { Choices = ["delivered", "failed", "dead", "gone"] },
                new("limit", FieldType.Integer, "At most so many; default 100.") { Min = 1, Max = OperationTable.MaxListed },
                PageFields.Cursor,
            ],
            [
                new("deliveries", "list of map", "{message, event, type, at, attempt, outcome: delivered | failed | dead | gone, status, duration_us, detail?}; status 0: no answer."),
                PageFields.Next,
            ]),
    ];

    private static Operation Of(OperationKind kind, string name, string doc, IReadOnlyList<RequestField> request, IReadOnlyList<ResponseField> response) =>
        new(kind, name, doc, request, response) { Scopes = OperationScopes.Operate };
}
