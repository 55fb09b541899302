using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Host.Configuration;

/// <content>What is told as events, and for how long it is kept.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfEvents() =>
    [
        new("events.tasks", KeyKind.Word, "Whose ends are told: of durable tasks alone, of others that did not succeed too, or of all.")
        {
            Choices = WireNames.All<ToldTasks>(),
            Read = static s => WireNames.Text(s.Runtime.EventTasks),
            Apply = static (s, v) => s with { Runtime = s.Runtime with { EventTasks = (ToldTasks)v.Number } },
        },
        Number("events.max_per_s", "Ends of tasks that are not durable, told in a second at most; how many more there were is told.", 1, 1_000_000, static r => r.EventsPerSecond, static (r, n) => r with { EventsPerSecond = (int)n }),
        Number("events.buffer", "Events in memory; older ones are read from the ledger, where there is one.", 16, 1_000_000, static r => r.EventBuffer, static (r, n) => r with { EventBuffer = (int)n }) with { Change = KeyChange.Restart },
        new("events.retain_hours", KeyKind.Number, "An event is forgotten by the ledger after this time.")
        {
            Minimum = 1,
            Maximum = 87_600,
            Unit = "h",
            Change = KeyChange.Restart,
            Read = static s => Text(s.Ledger.RetainEventHours),
            Apply = static (s, v) => s with { Ledger = s.Ledger with { RetainEventHours = (int)v.Number } },
        },
        new("events.retain", KeyKind.Number, "Events that the ledger keeps; the oldest are forgotten first.")
        {
            Minimum = 1_000,
            Maximum = 1_000_000_000,
            Change = KeyChange.Restart,
            Read = static s => Text(s.Ledger.RetainEvents),
            Apply = static (s, v) => s with { Ledger = s.Ledger with { RetainEvents = (int)v.Number } },
        },
    ];
}
