using System.Runtime.InteropServices;
using Wayang.Fast.Core.Events;

namespace Wayang.Fast.Core.Ports;

/// <summary>
/// What keeps webhooks over restarts: who is to be told of what, up to which event that was looked at, what is still to be sent, and how it went. A ledger is one; its
/// writes are stored as that port says. Reads may wait for the disk. Thread-safe.
/// </summary>
public interface IWebhookStore
{
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<StoredWebhook> ReadWebhooks();

    /// <summary>How much a webhook has to send, and has given up.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    WebhookBacklog ReadBacklog(string webhook);

    /// <summary>Messages that are to be sent, those first that are due first.</summary>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<WebhookMessage> ReadMessages(string webhook, int limit);

    /// <summary>How deliveries went, the newest first.</summary>
    /// <param name="webhook">Whose.</param>
    /// <param name="outcome">Only with this; null: any.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="before">Only those that are older than the one at this place; null: from the newest on.</param>
    /// <exception cref="LedgerUnreadableException">It cannot be told.</exception>
    IReadOnlyList<WebhookAttempt> ReadAttempts(string webhook, AttemptOutcome? outcome, int limit, long? before = null);

    /// <summary>Takes a write; never blocks on the disk.</summary>
    void Post(WebhookWrite write);
}

/// <summary>Somebody outside who is told of events. Immutable.</summary>
/// <param name="Id">Of letters and digits, never used again.</param>
/// <param name="Tenant">Whose it is.</param>
public sealed record StoredWebhook(string Id, int Tenant)
{
    public required string Url { get; init; }

    /// <summary>Which events.</summary>
    public required EventFilter Filter { get; init; }

    public required long CreatedUnixMs { get; init; }

    /// <summary>The key of its signatures.</summary>
    public required ReadOnlyMemory<byte> Secret { get; init; }

    /// <summary>The key before it, which signs too until <see cref="FormerUntilUnixMs"/>; empty: none.</summary>
    public ReadOnlyMemory<byte> FormerSecret { get; init; }

    public long FormerUntilUnixMs { get; init; }

    public bool IsEnabled { get; init; } = true;

    /// <summary>Why it is not enabled; empty: it is.</summary>
    public string Reason { get; init; } = string.Empty;

    /// <summary>All events up to this one were looked at, and what was to be told of them is stored.</summary>
    public long Cursor { get; init; }

    /// <summary>How often its messages' times were moved (<see cref="WebhookShift"/>). As it was read; changes of a webhook leave it.</summary>
    public long Shifts { get; init; }
}

/// <summary>One event for one webhook, as it is sent each time.</summary>
/// <param name="Sequence">Of the event.</param>
/// <param name="Type">Of the event.</param>
/// <param name="Body">What is sent.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="DueUnixMs">When it is tried next.</param>
public sealed record WebhookMessage(long Sequence, string Type, ReadOnlyMemory<byte> Body, int Attempts, long DueUnixMs);

/// <param name="Waiting">Messages that are to be sent.</param>
/// <param name="Dead">Messages that were given up, and can be replayed.</param>
/// <param name="Bytes">Bodies of both.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct WebhookBacklog(long Waiting, long Dead, long Bytes);

/// <summary>What became of one try.</summary>
public enum AttemptOutcome : byte
{
    /// <summary>The receiver took it.</summary>
    Delivered = 0,

    /// <summary>It did not, and is tried again.</summary>
    Failed,

    /// <summary>It did not, and that was the last try.</summary>
    Dead,

    /// <summary>It wants no more: the webhook is disabled.</summary>
    Gone,
}

/// <summary>One try.</summary>
/// <param name="Attempt">Which: 1 is the first.</param>
/// <param name="Status">Of the answer; 0: there was none.</param>
/// <param name="Detail">What went wrong, in words; empty: nothing.</param>
public sealed record WebhookAttempt(long Sequence, string Type, long AtUnixMs, int Attempt, AttemptOutcome Outcome, int Status, long DurationUs, string Detail)
{
    /// <summary>Among all tries, as the store numbers them; 0: it is not stored yet.</summary>
    public long Place { get; init; }
}
