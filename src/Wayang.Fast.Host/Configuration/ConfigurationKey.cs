using System.Globalization;

using Wayang.Fast.Execution;

namespace Wayang.Fast.Host.Configuration;

/// <summary>One key of the configuration file: its name, its range, what it sets.</summary>
/// <param name="Name">Sections joined with dots.</param>
/// <param name="Minimum">For numbers.</param>
/// <param name="Maximum">For numbers.</param>
/// <param name="Apply">Returns the settings with the number (or the text) in place.</param>
/// <param name="IsText">The value is a text; else a whole number.</param>
public sealed record ConfigurationKey(
    string Name,
    long Minimum,
    long Maximum,
    Func<FileSettings, long, string, FileSettings> Apply,
    bool IsText = false)
{
    private const int LongestSocketPath = 107;

    /// <summary>Every key there is. A test compares the list with the documentation.</summary>
    public static IReadOnlyList<ConfigurationKey> All { get; } =
    [
        new("socket", 1, LongestSocketPath, static (s, _, text) => s with { SocketPath = text }, IsText: true),
        new("http_port", 0, 65_535, static (s, n, _) => s with { HttpPort = (int)n }),
        Number("workers.max_per_pool", 1, 4_096, static (r, n) => r with { MaxWorkersPerPool = (int)n }),
        Number("workers.spares", 0, 256, static (r, n) => r with { SpareWorkers = (int)n }),
        Number("workers.warm_idle_s", 1, 86_400, static (r, n) => r with { WarmIdleSeconds = (int)n }),
        Number("workers.concurrency", 1, 256, static (r, n) => r with { CallConcurrency = (int)n }),
        Number("workers.spin_us", 0, 10_000, static (r, n) => r with { SpinMicroseconds = (int)n }),
        Number("watchdog.stall_ms", 0, 3_600_000, static (r, n) => r with { StallMs = (int)n }),
        Number("watchdog.heartbeat_timeout_ms", 0, 3_600_000, static (r, n) => r with { HeartbeatTimeoutMs = (int)n }),
        Number("limits.default_timeout_ms", 1, uint.MaxValue, static (r, n) => r with { DefaultTimeoutMs = (uint)n }),
        Number("limits.max_timeout_ms", 1, uint.MaxValue, static (r, n) => r with { MaxTimeoutMs = (uint)n }),
        Number("limits.queued_tasks", 1, 100_000_000, static (r, n) => r with { MaxQueuedTasks = (int)n }),
        Number("limits.queued_bytes", 1 << 20, 1L << 40, static (r, n) => r with { MaxQueuedBytes = n }),
        Number("limits.payload_bytes", 4_096, 1 << 30, static (r, n) => r with { MaxPayloadBytes = (int)n }),
        Number("limits.stream_bytes", 4_096, 1 << 30, static (r, n) => r with { MaxStreamBytes = (int)n }),
        Number("retention.tasks", 1, 10_000_000, static (r, n) => r with { RetainTasks = (int)n }),
        Number("retention.minutes", 1, 10_080, static (r, n) => r with { RetainMinutes = (int)n }),
    ];

    /// <summary>Reads a whole number: digits, '_' between them, and for sizes KiB, MiB or GiB behind it.</summary>
    public static bool TryParseNumber(string text, bool isSize, out long value)
    {
        var digits = text.Trim();
        var shift = 0;
        if (isSize)
        {
            (digits, shift) = digits switch
            {
                _ when digits.EndsWith("KiB", StringComparison.Ordinal) => (digits[..^3].TrimEnd(), 10),
                _ when digits.EndsWith("MiB", StringComparison.Ordinal) => (digits[..^3].TrimEnd(), 20),
                _ when digits.EndsWith("GiB", StringComparison.Ordinal) => (digits[..^3].TrimEnd(), 30),
                _ => (digits, 0),
            };
        }

        var plain = digits.Replace("_", "", StringComparison.Ordinal);
        if (!long.TryParse(plain, NumberStyles.None, CultureInfo.InvariantCulture, out value) || value > long.MaxValue >> shift)
        {
            return false;
        }

        value <<= shift;
        return true;
    }

    private static ConfigurationKey Number(string name, long minimum, long maximum, Func<RuntimeOptions, long, RuntimeOptions> apply) =>
        new(name, minimum, maximum, (settings, number, _) => settings with { Runtime = apply(settings.Runtime, number) });
}
