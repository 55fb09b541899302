using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <content>Webhooks stand in the same file, so what is told of an event is stored as the event is.</content>
public sealed partial class SqliteLedger
{
    public IReadOnlyList<StoredWebhook> ReadWebhooks() => Readable().ReadWebhooks();

    public WebhookBacklog ReadBacklog(string webhook) => Readable().ReadBacklog(webhook);

    public IReadOnlyList<WebhookMessage> ReadMessages(string webhook, int limit) => Readable().ReadMessages(webhook, limit);

    public IReadOnlyList<WebhookAttempt> ReadAttempts(string webhook, AttemptOutcome? outcome, int limit, long? before = null) => Readable().ReadAttempts(webhook, outcome, limit, before);

    public void Post(WebhookWrite write) => Post((LedgerWrite)write);
}
