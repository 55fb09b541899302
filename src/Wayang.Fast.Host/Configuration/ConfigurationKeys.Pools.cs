namespace Wayang.Fast.Host.Configuration;

/// <content>How many workers there are, and when they are replaced.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfPools() =>
    [
        Number("workers.max_per_pool", "Workers of one pool (image, profile, tenant).", 1, 4_096, static r => r.MaxWorkersPerPool, static (r, n) => r with { MaxWorkersPerPool = (int)n })
            with { DefaultWords = "twice the processors, at least 4" },
        Number("workers.spares", "Idle workers kept ready in a pool in use.", 0, 256, static r => r.SpareWorkers, static (r, n) => r with { SpareWorkers = (int)n }),
        Number("workers.warm_idle_s", "A worker ends when it was idle for this time and its pool wanted fewer all the while.", 1, 86_400, static r => r.WarmIdleSeconds, static (r, n) => r with { WarmIdleSeconds = (int)n }) with { Unit = "s" },
        Number("workers.recycle_calls", "A worker is replaced after so many calls (looked at once a second); what it has in flight ends first.", 1, int.MaxValue, static r => r.RecycleCalls, static (r, n) => r with { RecycleCalls = (int)n })
            with { ZeroMeans = "never" },
        Number("workers.recycle_age_s", "A worker is replaced when it is so old.", 1, 31_536_000, static r => r.RecycleAgeSeconds, static (r, n) => r with { RecycleAgeSeconds = (int)n })
            with { Unit = "s", ZeroMeans = "never" },
        Number("workers.recycle_memory_percent", "A worker is replaced when it uses more than this share of its memory limit, where there is a memory group to measure it.", 1, 100, static r => r.RecycleMemoryPercent, static (r, n) => r with { RecycleMemoryPercent = (int)n })
            with { Unit = "%", ZeroMeans = "never" },
    ];
}
