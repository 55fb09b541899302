namespace Wayang.Fast.Host.Configuration;

/// <content>Security scans, and how often callers may call.</content>
public static partial class ConfigurationKeys
{
    private static IEnumerable<ConfigurationKey> OfSecurity() =>
    [
        Number("security.scan_interval_seconds", "Each running worker is compared with its profile so often; one that is something else is killed.", 1, 86_400, static r => r.ScanIntervalSeconds, static (r, n) => r with { ScanIntervalSeconds = (int)n })
            with { Unit = "s", ZeroMeans = "only by 'wayang scan'" },
        new("security.calls_per_second", KeyKind.Number, "Calls of one caller (a user, a token) over each kind of door; more are refused with the time to wait.")
        {
            Minimum = 1,
            Maximum = 10_000_000,
            ZeroMeans = "as many as it likes",
            Change = KeyChange.Restart,
            Read = static s => Text(s.CallsPerSecond),
            Apply = static (s, v) => s with { CallsPerSecond = (int)v.Number },
        },
        Bound("security.connections", "Connections at each door, of all callers together; who comes then is told so.", static s => s.Connections, static (s, n) => s with { Connections = n }),
        Bound("security.connections_per_caller", "Of one caller (a user, a token) at each door.", static s => s.ConnectionsPerCaller, static (s, n) => s with { ConnectionsPerCaller = n }),
        Bound("security.connections_per_address", "Of one address at each door over HTTP.", static s => s.ConnectionsPerAddress, static (s, n) => s with { ConnectionsPerAddress = n }),
    ];

    private static ConfigurationKey Bound(string name, string description, Func<FileSettings, int> read, Func<FileSettings, int, FileSettings> apply) =>
        new(name, KeyKind.Number, description)
        {
            Minimum = 1,
            Maximum = 100_000,
            Change = KeyChange.Restart,
            Read = s => Text(read(s)),
            Apply = (s, v) => apply(s, (int)v.Number),
        };
}
