using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;
using Wayang.Fast.Host.Configuration;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Host.Serving;

/// <summary>The ledger of a daemon, as its configuration says.</summary>
internal static class DaemonLedger
{
    /// <summary>Null: there is none. One that cannot be used says so, at each durable submission too, and is tried again.</summary>
    public static ITaskLedger? Open(ServeOptions options, StandardErrorLog log)
    {
        var settings = options.Settings.Ledger;
        return settings.FileIn(options.StateDirectory) is { } file
            ? SqliteLedger.Open(
                new LedgerOptions(file)
                {
                    Retention = TimeSpan.FromHours(settings.RetainHours), MaxEnded = settings.RetainTasks, OnChange = log.Warn,
                    EventRetention = TimeSpan.FromHours(settings.RetainEventHours), MaxEvents = settings.RetainEvents,
                },
                TimeProvider.System)
            : null;
    }

    /// <summary>The webhooks that stand in it, at work; null: there is none, or none are wanted.</summary>
    public static WebhookDesk? OpenWebhooks(ServeOptions options, ITaskLedger? ledger, EventStream events, StandardErrorLog log)
    {
        if (ledger is not IWebhookStore store || options.Settings.Webhooks.Most == 0)
        {
            return null;
        }

        var desk = new WebhookDesk(store, events, options.Settings.Webhooks, TimeProvider.System, defect => log.Warn($"defect: a webhook: {defect}"));
        desk.Start();
        return desk;
    }
}
