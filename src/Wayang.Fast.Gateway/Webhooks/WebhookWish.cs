using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>What somebody asks a webhook to be; null: as it is, or as is usual.</summary>
internal sealed record WebhookWish
{
    private const int DefaultTenant = 0;

    public string? Url { get; init; }

    public string? Type { get; init; }

    public EventSeverity? Severity { get; init; }

    /// <summary>Only events of this tenant.</summary>
    public int? Tenant { get; init; }

    public byte[]? Secret { get; init; }

    /// <summary>The first events that are told follow this number.</summary>
    public long? Since { get; init; }

    public bool? IsEnabled { get; init; }

    /// <param name="tenant">Who asks.</param>
    /// <param name="allowPrivate">As configured.</param>
    public OperationError? Refuse(int tenant, bool allowPrivate) =>
        Tenant is { } wanted && tenant != DefaultTenant && wanted != tenant
            ? new(ErrorCode.PermissionDenied, "Events of other tenants are told to the default tenant alone.", "tenant")
            : Url is { } url ? WebhookTarget.Refuse(url, allowPrivate) : null;

    public EventFilter FilterOver(EventFilter before) => before with { Type = Type ?? before.Type, Severity = Severity ?? before.Severity, Tenant = Tenant ?? before.Tenant };
}

/// <summary>A webhook as it is told.</summary>
internal sealed record WebhookView(StoredWebhook Hook, WebhookBacklog Backlog, long Cursor, string? Problem)
{
    public static WebhookView Of(WebhookLoop loop) => new(loop.Hook, loop.Backlog, loop.Cursor, loop.Problem);
}
