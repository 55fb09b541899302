using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Host.Configuration;

/// <content>Which workers are made so that their calls can be written down and continued.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfMigration() =>
    [
        new("migration.compute", KeyKind.Word, "Whether running calls of profile compute can be written down and continued (task.checkpoint); of images that are put from now on. Their processes then have fixed addresses, and a look at the clock is a system call.")
        {
            Choices = ["never", "transparent"],
            Read = static s => s.Runtime.MigratesCompute ? "transparent" : "never",
            Apply = static (s, v) => s with { Runtime = s.Runtime with { MigratesCompute = v.Number == 1 } },
        },
        Number("migration.lease_ms", "A call of another node that its home does not ask about for so long is ended here. A call of this node goes on at home, from where it left, when nothing was heard of its host for two and a half times that. The same on all peers.", 100, 3_600_000, static r => (long)r.HandoverLease.TotalMilliseconds, static (r, n) => r with { HandoverLease = TimeSpan.FromMilliseconds(n) })
            with { Unit = "ms" },
        Number("migration.yield_ms", "How long a call of a task with migration: cooperative has to save its state and to give its place back when it is asked to; then whoever asked is refused, and it goes on.", 1, 25_000, static r => r.YieldMs, static (r, n) => r with { YieldMs = (int)n })
            with { Unit = "ms" },
        new("migration.auto", KeyKind.Word, "Which calls go to peers with room by themselves: those that stand frozen for tasks of a higher class (preempted), or these and those that run while others wait for slots (balance). Never back, and each a few times at most.")
        {
            Choices = ["never", "preempted", "balance"],
            Read = static s => WireNames.Text(s.Runtime.AutomaticMigration),
            Apply = static (s, v) => s with { Runtime = s.Runtime with { AutomaticMigration = (AutomaticMigration)v.Number } },
        },
        Number("migration.auto_after_ms", "How long such a call stands frozen, or runs while others wait, before it goes: what the others take less than, no move is worth.", 0, 3_600_000, static r => (long)r.AutomaticMoveAfter.TotalMilliseconds, static (r, n) => r with { AutomaticMoveAfter = TimeSpan.FromMilliseconds(n) })
            with { Unit = "ms" },
        Number("migration.auto_moves", "A call that has moved so often, whoever asked for it, is not moved by the node itself.", 1, 1_000, static r => r.MostAutomaticMoves, static (r, n) => r with { MostAutomaticMoves = (int)n }),
    ];
}
