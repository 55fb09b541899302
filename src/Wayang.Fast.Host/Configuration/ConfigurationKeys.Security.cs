namespace Wayang.Fast.Host.Configuration;

/// <content>Security scans.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfSecurity() =>
    [
        Number("security.scan_interval_seconds", "Each running worker is compared with its profile so often; one that is something else is killed.", 1, 86_400, static r => r.ScanIntervalSeconds, static (r, n) => r with { ScanIntervalSeconds = (int)n })
            with { Unit = "s", ZeroMeans = "only by 'wayang scan'" },
    ];
}
