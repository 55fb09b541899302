using System.Globalization;
using Microsoft.Data.Sqlite;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <content>Webhooks, what they have to send, and how it went.</content>
internal sealed partial class LedgerReader
{
    public IReadOnlyList<StoredWebhook> ReadWebhooks() => Ask(
        """
        SELECT id, tenant, url, type, severity, of_tenant, created_ms, secret, former_secret, former_until_ms, enabled, reason, cursor, shifts FROM webhooks ORDER BY created_ms, id
        """,
        null,
        static row => ReadAll(row, ReadWebhook));

    public WebhookBacklog ReadBacklog(string webhook) => Ask(
        "SELECT count(*), COALESCE(sum(dead), 0), COALESCE(sum(length(body)), 0) FROM webhook_messages WHERE webhook = $value",
        webhook,
        static row => row.Read() ? new WebhookBacklog(row.GetInt64(0) - row.GetInt64(1), row.GetInt64(1), row.GetInt64(2)) : default);

    public IReadOnlyList<WebhookMessage> ReadMessages(string webhook, int limit) => Ask(
        "SELECT sequence, type, body, attempts, due_ms FROM webhook_messages WHERE webhook = $value AND dead = 0 ORDER BY due_ms, place LIMIT $limit",
        webhook,
        static row => ReadAll(row, static r => new WebhookMessage(r.GetInt64(0), r.GetString(1), Bytes(r, 2)!, r.GetInt32(3), r.GetInt64(4))),
        limit);

    public IReadOnlyList<WebhookAttempt> ReadAttempts(string webhook, AttemptOutcome? outcome, int limit, long? before) => Ask(
        string.Create(
            CultureInfo.InvariantCulture,
            $"""
            SELECT sequence, type, at_ms, attempt, outcome, status, duration_us, detail, place FROM webhook_attempts
            WHERE webhook = $value{(outcome is { } only ? $" AND outcome = {(int)only}" : "")}{(before is { } place ? $" AND place < {place}" : "")} ORDER BY place DESC LIMIT $limit
            """),
        webhook,
        static row => ReadAll(row, static r => new WebhookAttempt(
            r.GetInt64(0), r.GetString(1), r.GetInt64(2), r.GetInt32(3), (AttemptOutcome)r.GetInt32(4), r.GetInt32(5), r.GetInt64(6), r.GetString(7)) { Place = r.GetInt64(8) }),
        limit);

    private static StoredWebhook ReadWebhook(SqliteDataReader row) => new(row.GetString(0), row.GetInt32(1))
    {
        Url = row.GetString(2),
        Filter = new EventFilter { Type = row.GetString(3), Severity = (EventSeverity)row.GetInt32(4), Tenant = row.IsDBNull(5) ? null : row.GetInt32(5) },
        CreatedUnixMs = row.GetInt64(6),
        Secret = Bytes(row, 7)!,
        FormerSecret = Bytes(row, 8)!,
        FormerUntilUnixMs = row.GetInt64(9),
        IsEnabled = row.GetInt32(10) == 1,
        Reason = row.GetString(11),
        Cursor = row.GetInt64(12),
        Shifts = row.GetInt64(13),
    };

    private static List<T> ReadAll<T>(SqliteDataReader row, Func<SqliteDataReader, T> read)
    {
        var all = new List<T>();
        while (row.Read())
        {
            all.Add(read(row));
        }

        return all;
    }
}
