using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>What is told of webhooks themselves. No webhook is told of these: one that fails would tell of itself for ever.</summary>
internal static class WebhookEvents
{
    /// <summary>It wants no more.</summary>
    public const string Disabled = EventTypes.WebhookPrefix + "disabled";

    /// <summary>A message was given up.</summary>
    public const string Dead = EventTypes.WebhookPrefix + "dead";

    /// <summary>Dead messages went for good; how many.</summary>
    public const string Forgotten = EventTypes.WebhookPrefix + "forgotten";

    public static NodeEvent Of(StoredWebhook hook, string type, DateTimeOffset at, string reason, int count = 1) => new(
        0, at.ToUnixTimeMilliseconds(), type, EventSeverity.Warning, hook.Tenant, default,
        EventData.Write((ref MessagePackWriter writer) =>
        {
            writer.WriteMapHeader(3);
            EventData.Text(ref writer, "webhook", hook.Id);
            EventData.Text(ref writer, "reason", reason);
            EventData.Number(ref writer, "count", count);
        }));
}
