using Microsoft.Data.Sqlite;
using Wayang.Fast.Core.Ports;
using static Wayang.Fast.Ledger.LedgerCommands;

namespace Wayang.Fast.Ledger;

/// <summary>
/// The writer's statements for webhooks. Each may be run again after a commit of which it is not known whether it was stored: messages and cursor come out the same. Ledger thread only.
/// </summary>
internal sealed class WebhookStatements : IDisposable
{
    private readonly SqliteCommand _put;
    private readonly SqliteCommand _advance;
    private readonly SqliteCommand _message;
    private readonly SqliteCommand _attempt;
    private readonly SqliteCommand _delivered;
    private readonly SqliteCommand _tried;
    private readonly SqliteCommand _replay;
    private readonly SqliteCommand _shift;
    private readonly SqliteCommand _shiftMessages;
    private readonly SqliteCommand _recover;
    private readonly SqliteCommand[] _remove;
    private readonly SqliteCommand _forgetMessages;
    private readonly SqliteCommand _forgetAttempts;

    public WebhookStatements(SqliteConnection connection)
    {
        _put = Prepare(connection, """
            INSERT INTO webhooks (id, tenant, url, type, severity, of_tenant, created_ms, secret, former_secret, former_until_ms, enabled, reason, cursor)
            VALUES ($id, $tenant, $url, $type, $severity, $of, $created, $secret, $former, $until, $enabled, $reason, $cursor)
            ON CONFLICT (id) DO UPDATE SET url = $url, type = $type, severity = $severity, of_tenant = $of, secret = $secret, former_secret = $former,
            former_until_ms = $until, enabled = $enabled, reason = $reason
            """, "$id", "$tenant", "$url", "$type", "$severity", "$of", "$created", "$secret", "$former", "$until", "$enabled", "$reason", "$cursor");
        _advance = Prepare(connection, "UPDATE webhooks SET cursor = $cursor WHERE id = $id AND cursor < $cursor", "$id", "$cursor");
        _message = Prepare(connection, """
            INSERT OR IGNORE INTO webhook_messages (webhook, sequence, type, attempts, due_ms, dead, body) VALUES ($id, $sequence, $type, 0, $due, 0, $body)
            """, "$id", "$sequence", "$type", "$due", "$body");
        _attempt = Prepare(connection, """
            INSERT INTO webhook_attempts (webhook, sequence, type, at_ms, attempt, outcome, status, duration_us, detail)
            VALUES ($id, $sequence, $type, $at, $attempt, $outcome, $status, $duration, $detail)
            """, "$id", "$sequence", "$type", "$at", "$attempt", "$outcome", "$status", "$duration", "$detail");
        _delivered = Prepare(connection, "DELETE FROM webhook_messages WHERE webhook = $id AND sequence = $sequence", "$id", "$sequence");
        _tried = Prepare(connection, "UPDATE webhook_messages SET attempts = $attempts, due_ms = $due, dead = $dead WHERE webhook = $id AND sequence = $sequence AND dead = 0",
            "$id", "$sequence", "$attempts", "$due", "$dead");
        _replay = Prepare(connection, "UPDATE webhook_messages SET attempts = 0, due_ms = $due, dead = 0 WHERE webhook = $id AND dead = 1 AND ($sequence IS NULL OR sequence = $sequence)",
            "$id", "$due", "$sequence");
        _shift = Prepare(connection, "UPDATE webhooks SET shifts = $number WHERE id = $id AND shifts < $number", "$id", "$number");
        _shiftMessages = Prepare(connection, "UPDATE webhook_messages SET due_ms = MAX(1, due_ms + $by) WHERE webhook = $id AND due_ms > 0", "$id", "$by");
        _recover = Prepare(connection, """
            UPDATE webhook_messages SET due_ms = $now WHERE webhook = $id AND dead = 0 AND due_ms > $now
            AND sequence IN (SELECT sequence FROM webhook_attempts WHERE webhook = $id AND at_ms > $now)
            """, "$id", "$now");
        _remove =
        [
            Prepare(connection, "DELETE FROM webhook_messages WHERE webhook = $id", "$id"),
            Prepare(connection, "DELETE FROM webhook_attempts WHERE webhook = $id", "$id"),
            Prepare(connection, "DELETE FROM webhooks WHERE id = $id", "$id"),
        ];
        _forgetMessages = Prepare(connection, $"""
            DELETE FROM webhook_messages WHERE place IN
            (SELECT place FROM webhook_messages WHERE webhook = $id AND dead = 1 AND due_ms < $before ORDER BY due_ms LIMIT {WebhookSweep.MostAtOnce})
            """, "$id", "$before");
        _forgetAttempts = Prepare(connection, $"""
            DELETE FROM webhook_attempts WHERE place IN
            (SELECT place FROM webhook_attempts WHERE webhook = $id AND (at_ms < $before OR place <=
            (SELECT place FROM webhook_attempts WHERE webhook = $id ORDER BY place DESC LIMIT 1 OFFSET $most)) ORDER BY place LIMIT {WebhookSweep.MostAtOnce})
            """, "$id", "$before", "$most");
    }

    /// <returns>Rows that tell whether something came of it: of messages, or of the webhook.</returns>
    public int Write(WebhookWrite write, SqliteTransaction transaction)
    {
        var id = write.Webhook;
        switch (write)
        {
            case WebhookPut { Stored: var hook }:
                return Run(
                    _put, transaction, id, hook.Tenant, hook.Url, hook.Filter.Type, (int)hook.Filter.Severity, hook.Filter.Tenant, hook.CreatedUnixMs, hook.Secret.ToArray(),
                    hook.FormerSecret.ToArray(), hook.FormerUntilUnixMs, hook.IsEnabled ? 1 : 0, hook.Reason, hook.Cursor);
            case WebhookAdvance advance:
                return Advance(advance, transaction);
            case WebhookResult result:
                return Settle(result, transaction);
            case WebhookReplay replay:
                return Run(_replay, transaction, id, replay.DueUnixMs, replay.Sequence);
            case WebhookShift shift:
                return Run(_shift, transaction, id, shift.Number) == 0 ? 0 : Run(_shiftMessages, transaction, id, (long)shift.By.TotalMilliseconds);
            case WebhookRecovery recovery:
                return Run(_recover, transaction, id, recovery.NowUnixMs);
            case WebhookRemoval:
                return _remove.Sum(command => Run(command, transaction, id));
            case WebhookSweep sweep:
                sweep.AttemptsGone = Run(_forgetAttempts, transaction, id, sweep.Before, sweep.MostAttempts);
                return Run(_forgetMessages, transaction, id, sweep.Before);
            default:
                throw new InvalidOperationException($"the ledger has no place for a {write.GetType().Name}");
        }
    }

    public void Dispose()
    {
        foreach (var command in (SqliteCommand[])[_put, _advance, _message, _attempt, _delivered, _tried, _replay, _shift, _shiftMessages, _recover, .. _remove, _forgetMessages, _forgetAttempts])
        {
            command.Dispose();
        }
    }

    /// <summary>One that was stored already, or whose webhook is gone, brings no messages.</summary>
    private int Advance(WebhookAdvance advance, SqliteTransaction transaction) =>
        Run(_advance, transaction, advance.Webhook, advance.Cursor) == 0
            ? 0
            : advance.Messages.Sum(message => Run(_message, transaction, advance.Webhook, message.Sequence, message.Type, message.DueUnixMs, message.Body.ToArray()));

    /// <summary>What changes no message (its webhook was removed meanwhile) is not logged either.</summary>
    private int Settle(WebhookResult result, SqliteTransaction transaction)
    {
        var tried = result.Attempt;
        var changed = tried.Outcome == AttemptOutcome.Delivered
            ? Run(_delivered, transaction, result.Webhook, tried.Sequence)
            : Run(_tried, transaction, result.Webhook, tried.Sequence, tried.Attempt, result.DueUnixMs, tried.Outcome == AttemptOutcome.Dead ? 1 : 0);
        if (changed > 0)
        {
            Run(_attempt, transaction, result.Webhook, tried.Sequence, tried.Type, tried.AtUnixMs, tried.Attempt, (int)tried.Outcome, tried.Status, tried.DurationUs, tried.Detail);
        }

        return changed;
    }
}
