namespace Wayang.Fast.Gateway.Webhooks;

/// <summary>Bounds of webhooks. Immutable; ranges are checked where the configuration is read.</summary>
public sealed record WebhookOptions
{
    /// <summary>Webhooks of all tenants.</summary>
    public int Most { get; init; } = 100;

    /// <summary>Addresses that are not of the public internet are told too, and without TLS.</summary>
    public bool AllowPrivate { get; init; }

    /// <summary>Tries of one message; after the last it is dead.</summary>
    public int Attempts { get; init; } = 18;

    /// <summary>From the first try to the second; each further wait is four times the one before.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait between two tries.</summary>
    public TimeSpan LongestRetry { get; init; } = TimeSpan.FromHours(6);

    /// <summary>Of one try, from the name's resolution to the answer.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Tries of one webhook at once.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>Messages of one webhook, waiting and dead; at the bound no more events are looked at for it.</summary>
    public int MostMessages { get; init; } = 10_000;

    /// <summary>Their bodies together; a page of events may go beyond it.</summary>
    public long MostBytes { get; init; } = 16L << 20;

    /// <summary>How long a secret signs beside the one that took its place.</summary>
    public TimeSpan Rotation { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Tries and dead messages are forgotten after this time.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Tries of one webhook that are remembered.</summary>
    public int MostAttempts { get; init; } = 10_000;
}
