using System.Net;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>What all webhooks have in common.</summary>
internal sealed record WebhookContext(IWebhookStore Store, EventStream Events, WebhookOptions Options, TimeProvider Time)
{
    public WebhookCounters Counters { get; } = new();

    /// <summary>Asks for the addresses of a name.</summary>
    public required Func<string, CancellationToken, Task<IPAddress[]>> Resolve { get; init; }

    /// <summary>From 0 to 1, for the jitter.</summary>
    public required Func<double> Chance { get; init; }

    /// <summary>Told of a defect; must not throw.</summary>
    public required Action<Exception> OnDefect { get; init; }

    /// <summary>Disables a webhook, by its id and with the reason; ends when that is stored.</summary>
    public required Func<string, string, CancellationToken, Task> Disable { get; init; }
}
