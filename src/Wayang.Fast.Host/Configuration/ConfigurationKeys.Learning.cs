namespace Wayang.Fast.Host.Configuration;

/// <content>Memory that is set aside, what is learned for it, and results that are kept.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfLearning() =>
    [
        Size("memory.node_bytes", "Memory that may be set aside for all commands together.", 16 << 20, 1L << 44, static r => r.NodeMemoryBytes, static (r, n) => r with { NodeMemoryBytes = n })
            with { ZeroMeans = "four fifths of what the machine has" },
        Number("prediction.quantile_percent", "Of the peak memory of earlier commands of a type, so much is set aside for the next.", 50, 100, static r => r.PredictionQuantilePercent, static (r, n) => r with { PredictionQuantilePercent = (int)n })
            with { Unit = "%", ZeroMeans = "what is declared, always" },
        Number("prediction.min_samples", "Commands of a type that must have ended before its figures count.", 1, 100_000, static r => r.PredictionMinSamples, static (r, n) => r with { PredictionMinSamples = (int)n }),
        new("prediction.warm_up", KeyKind.Flag, "Workers are started for calls that are expected: by the trend of the last minute, and by what the same minute of earlier hours needed.")
        {
            Read = static s => s.Runtime.WarmUp ? "true" : "false",
            Apply = static (s, v) => s with { Runtime = s.Runtime with { WarmUp = v.Number == 1 } },
        },
        Size("cache.bytes", "Results of pure tasks that are kept for each tenant.", 4_096, 1L << 36, static r => r.ResultCacheBytes, static (r, n) => r with { ResultCacheBytes = n })
            with { ZeroMeans = "none are kept" },
        new("state.directory", KeyKind.Path, "Where the node keeps what it learned of tasks and pools over a restart; it must belong to the daemon's user.")
        {
            Minimum = 1,
            Maximum = LongestPath,
            Change = KeyChange.Restart,
            Read = static s => s.StateDirectory,
            Apply = static (s, v) => s with { StateDirectory = v.Text },
            DefaultWords = "nowhere: it is learned anew",
            Sample = "/var/lib/wayang",
        },
    ];
}
