namespace Wayang.Fast.Host.Configuration;

/// <content>Where durable tasks are stored, and for how long.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfLedger() =>
    [
        new("ledger.enabled", KeyKind.Flag, "Keeps a ledger of durable tasks, where state.directory or ledger.path says where.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Ledger.Enabled ? "true" : "false",
            Apply = static (s, v) => s with { Ledger = s.Ledger with { Enabled = v.Number == 1 } },
        },
        new("ledger.path", KeyKind.Path, "The ledger's file; its directory must belong to the daemon's user.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.Ledger.Path ?? string.Empty,
            Apply = static (s, v) => s with { Ledger = s.Ledger with { Path = v.Text } },
            DefaultWords = "ledger.db in state.directory; without one there is no ledger",
            Sample = "/var/lib/wayang/ledger.db",
        },
        new("ledger.durable_by_default", KeyKind.Flag, "Tasks that say nothing of it are durable; those with secrets or a parent never are.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Runtime.DurableByDefault ? "true" : "false",
            Apply = static (s, v) => s with { Runtime = s.Runtime with { DurableByDefault = v.Number == 1 } },
        },
        new("ledger.retain_hours", KeyKind.Number, "An ended durable task is forgotten after this time.")
        {
            Minimum = 1,
            Maximum = 87_600,
            Unit = "h",
            Change = KeyChange.Restart,
            Read = static s => Text(s.Ledger.RetainHours),
            Apply = static (s, v) => s with { Ledger = s.Ledger with { RetainHours = (int)v.Number } },
        },
        new("ledger.retain_tasks", KeyKind.Number, "Ended durable tasks that are kept; the oldest are forgotten first.")
        {
            Minimum = 1,
            Maximum = 100_000_000,
            Change = KeyChange.Restart,
            Read = static s => Text(s.Ledger.RetainTasks),
            Apply = static (s, v) => s with { Ledger = s.Ledger with { RetainTasks = (int)v.Number } },
        },
        Size("ledger.stream_bytes", "Stored of each of an ended task's stdout, stderr and log; what a call returned is stored whole.", 4_096, 64 << 20, static r => r.LedgerStreamBytes, static (r, n) => r with { LedgerStreamBytes = (int)n }),
    ];
}
