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
    ];
}
