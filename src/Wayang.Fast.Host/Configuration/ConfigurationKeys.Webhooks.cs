using Wayang.Fast.Gateway.Webhooks;

namespace Wayang.Fast.Host.Configuration;

/// <content>Webhooks: who may be told, how often it is tried, and what is kept.</content>
public static partial class ConfigurationKeys
{
    private const int LargestDays = 365;

    private static IEnumerable<ConfigurationKey> OfWebhooks() =>
    [
        Hook("webhooks.max", "Webhooks of all tenants.", 1, 10_000, static w => w.Most, static (w, n) => w with { Most = (int)n }) with { ZeroMeans = "no webhooks" },
        new("webhooks.allow_private", KeyKind.Flag, "Webhooks may go to addresses of the own host and network too, and without TLS.")
        {
            Change = KeyChange.Restart,
            Read = static s => s.Webhooks.AllowPrivate ? "true" : "false",
            Apply = static (s, v) => s with { Webhooks = s.Webhooks with { AllowPrivate = v.Number == 1 } },
        },
        Hook("webhooks.attempts", "Tries of one message; after the last it is dead, and can be replayed.", 1, 1_000, static w => w.Attempts, static (w, n) => w with { Attempts = (int)n }),
        Hook("webhooks.retry_first_ms", "From the first try to the second; each further wait is four times the one before, and a fifth more or less by chance.", 100, 3_600_000, static w => (long)w.FirstRetry.TotalMilliseconds, static (w, n) => w with { FirstRetry = TimeSpan.FromMilliseconds(n) }) with { Unit = "ms" },
        Hook("webhooks.retry_max_minutes", "The longest wait between two tries, unless the receiver asks for more (up to a day).", 1, 10_080, static w => (long)w.LongestRetry.TotalMinutes, static (w, n) => w with { LongestRetry = TimeSpan.FromMinutes(n) }) with { Unit = "min" },
        Hook("webhooks.timeout_ms", "Time of one try, from asking for the name to the answer.", 100, 120_000, static w => (long)w.Timeout.TotalMilliseconds, static (w, n) => w with { Timeout = TimeSpan.FromMilliseconds(n) }) with { Unit = "ms" },
        Hook("webhooks.parallel", "Tries of one webhook at once.", 1, 256, static w => w.Parallel, static (w, n) => w with { Parallel = (int)n }),
        Hook("webhooks.messages", "Messages of one webhook that wait or are dead; at the bound events wait in the stream.", 100, 10_000_000, static w => w.MostMessages, static (w, n) => w with { MostMessages = (int)n }),
        Hook("webhooks.message_bytes", "Their bodies together.", 65_536, 1L << 36, static w => w.MostBytes, static (w, n) => w with { MostBytes = n })
            with { Kind = KeyKind.Size, Read = static s => ValueReader.SizeText(s.Webhooks.MostBytes) },
        Hook("webhooks.rotation_hours", "How long a secret signs beside the one that took its place, unless said otherwise.", 1, 24 * LargestDays, static w => (long)w.Rotation.TotalHours, static (w, n) => w with { Rotation = TimeSpan.FromHours(n) }) with { Unit = "h" },
        Hook("webhooks.retain_hours", "Tries and dead messages are forgotten after this time.", 1, 24 * LargestDays, static w => (long)w.Retention.TotalHours, static (w, n) => w with { Retention = TimeSpan.FromHours(n) }) with { Unit = "h" },
        Hook("webhooks.retain_attempts", "Tries of one webhook that are remembered.", 1, 1_000_000, static w => w.MostAttempts, static (w, n) => w with { MostAttempts = (int)n }),
    ];

    private static ConfigurationKey Hook(
        string name, string description, long minimum, long maximum, Func<WebhookOptions, long> read, Func<WebhookOptions, long, WebhookOptions> apply) =>
        new(name, KeyKind.Number, description)
        {
            Minimum = minimum,
            Maximum = maximum,
            Change = KeyChange.Restart,
            Read = s => Text(read(s.Webhooks)),
            Apply = (s, v) => s with { Webhooks = apply(s.Webhooks, v.Number) },
        };
}
