using Wayang.Fast.Contracts.Errors;

namespace Wayang.Fast.Core.Ports;

/// <summary>Something to be remembered of a webhook.</summary>
/// <param name="webhook">Its id.</param>
public abstract class WebhookWrite(string webhook) : LedgerWrite(default)
{
    private readonly TaskCompletionSource<OperationError?> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Webhook { get; } = webhook;

    /// <summary>Ends when it is stored, with null, or with why it never will be.</summary>
    public Task<OperationError?> Done => _done.Task;

    /// <summary>How many rows it changed; there when it is stored.</summary>
    public int Changed { get; set; }

    public override void OnStored() => _done.TrySetResult(null);

    public override void OnRefused(OperationError refusal) => _done.TrySetResult(refusal);
}

/// <summary>A webhook is made or changed. The cursor counts only for one that is made.</summary>
public sealed class WebhookPut(StoredWebhook stored) : WebhookWrite(stored.Id)
{
    public StoredWebhook Stored { get; } = stored;

    public override bool MayBeRefused => true;
}

/// <summary>A webhook goes, with all that it had to send and its log.</summary>
public sealed class WebhookRemoval(string webhook) : WebhookWrite(webhook)
{
    public override bool MayBeRefused => true;
}

/// <summary>Events up to the cursor were looked at: what is to be told of them, and that they were, in one commit.</summary>
public sealed class WebhookAdvance(string webhook, long cursor, IReadOnlyList<WebhookMessage> messages) : WebhookWrite(webhook)
{
    public long Cursor { get; } = cursor;

    public IReadOnlyList<WebhookMessage> Messages { get; } = messages;

    public override long Bytes => Messages.Sum(static m => (long)m.Body.Length);
}

/// <summary>A message was tried: it goes, waits for its next try, or is dead.</summary>
public sealed class WebhookResult(string webhook, WebhookAttempt attempt, long dueUnixMs) : WebhookWrite(webhook)
{
    public WebhookAttempt Attempt { get; } = attempt;

    /// <summary>Of the next try; of a dead one when it died.</summary>
    public long DueUnixMs { get; } = dueUnixMs;
}

/// <summary>Dead messages are to be sent again, as if they were new.</summary>
/// <param name="sequence">Only that one; null: all.</param>
public sealed class WebhookReplay(string webhook, long? sequence, long dueUnixMs) : WebhookWrite(webhook)
{
    public long? Sequence { get; } = sequence;

    public long DueUnixMs { get; } = dueUnixMs;

    public override bool MayBeRefused => true;
}

/// <summary>The clock was set: the times of all its messages move with it, so that what was due in a minute still is. Each number counts once, however often it is stored.</summary>
/// <param name="number">One more than of the move before.</param>
public sealed class WebhookShift(string webhook, TimeSpan by, long number) : WebhookWrite(webhook)
{
    public TimeSpan By { get; } = by;

    public long Number { get; } = number;
}

/// <summary>
/// Messages whose last try lies in the future are due now: the clock was put back while the node was away, and when they were really due cannot be told any more.
/// </summary>
public sealed class WebhookRecovery(string webhook, long nowUnixMs) : WebhookWrite(webhook)
{
    public long NowUnixMs { get; } = nowUnixMs;
}

/// <summary>Old tries and old dead messages go, so many of each at most; <see cref="WebhookWrite.Changed"/> are the messages.</summary>
/// <param name="before">What is older.</param>
/// <param name="mostAttempts">The newest that stay at most.</param>
public sealed class WebhookSweep(string webhook, long before, int mostAttempts) : WebhookWrite(webhook)
{
    /// <summary>Of each, in one write.</summary>
    public const int MostAtOnce = 1_000;

    public long Before { get; } = before;

    public int MostAttempts { get; } = mostAttempts;

    /// <summary>Says what is told of dead messages that went, for so many.</summary>
    public required Func<int, Events.NodeEvent> OfForgotten { get; init; }

    /// <summary>Tries that went; there when it is stored.</summary>
    public int AttemptsGone { get; set; }

    public override Events.NodeEvent? Told(int changed) => changed > 0 ? OfForgotten(changed) : null;
}
