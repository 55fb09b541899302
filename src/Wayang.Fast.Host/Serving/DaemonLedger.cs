using Wayang.Fast.Core.Ports;
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
}
