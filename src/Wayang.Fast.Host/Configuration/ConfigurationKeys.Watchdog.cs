namespace Wayang.Fast.Host.Configuration;

/// <content>The watchdog's keys.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfWatchdog() =>
    [
        Number("watchdog.stall_ms", "Work that could run and stands still for so long is set going again.", 1, 3_600_000, static r => r.StallMs, static (r, n) => r with { StallMs = (int)n })
            with { Unit = "ms", ZeroMeans = "no watchdog", Change = KeyChange.Restart },
        Number("watchdog.heartbeat_timeout_ms", "A worker with a call that is stopped, or does not wake, for so long is ended.", 1, 3_600_000, static r => r.HeartbeatTimeoutMs, static (r, n) => r with { HeartbeatTimeoutMs = (int)n })
            with { Unit = "ms", ZeroMeans = "never" },
    ];
}
