using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>The writer's statements, prepared once a connection. Ledger thread only.</summary>
internal sealed class LedgerStatements : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly HashSet<string> _images = new(StringComparer.Ordinal);
    private readonly SqliteCommand _submit;
    private readonly SqliteCommand _start;
    private readonly SqliteCommand _checkpoint;
    private readonly SqliteCommand _retry;
    private readonly SqliteCommand _end;
    private readonly SqliteCommand _save;
    private readonly SqliteCommand _forget;
    private readonly SqliteCommand _image;
    private readonly SqliteCommand _event;
    private readonly SqliteCommand _lastEvent;
    private readonly WebhookStatements _webhooks;

    public LedgerStatements(SqliteConnection connection)
    {
        _connection = connection;
        _submit = Prepare("""
            INSERT INTO tasks (id, tenant, state, attempt, submitted_ms, key, fingerprint, spec, image)
            VALUES ($id, $tenant, $state, 1, $submitted, $key, $fingerprint, $spec, $image)
            """, "$id", "$tenant", "$state", "$submitted", "$key", "$fingerprint", "$spec", "$image");
        _start = Prepare("UPDATE tasks SET state = $state, attempt = $attempt, checkpoint = NULL WHERE id = $id AND ended_ms IS NULL", "$id", "$state", "$attempt");
        _checkpoint = Prepare("UPDATE tasks SET state = $state, checkpoint = $checkpoint WHERE id = $id AND ended_ms IS NULL", "$id", "$state", "$checkpoint");
        _retry = Prepare("UPDATE tasks SET state = $state, attempt = $attempt, checkpoint = NULL WHERE id = $id AND ended_ms IS NULL", "$id", "$state", "$attempt");
        _end = Prepare("""
            UPDATE tasks SET state = $state, ended_ms = $ended, facts = $facts, output = $output, stdout = $stdout, stderr = $stderr, log = $log, spec = x'', checkpoint = NULL
            WHERE id = $id AND ended_ms IS NULL
            """, "$id", "$state", "$ended", "$facts", "$output", "$stdout", "$stderr", "$log");
        _save = Prepare("""
            INSERT OR REPLACE INTO states (id, at_ms, times, bytes)
            SELECT id, $at, $times, $bytes FROM tasks WHERE id = $id AND ended_ms IS NULL
            """, "$id", "$at", "$times", "$bytes");
        _forget = Prepare("DELETE FROM states WHERE id = $id", "$id");
        _image = Prepare("INSERT OR IGNORE INTO images (hash, source) VALUES ($hash, $source)", "$hash", "$source");
        _event = Prepare("INSERT INTO events (at_ms, type, severity, tenant, task, data) VALUES ($at, $type, $severity, $tenant, $task, $data)",
            "$at", "$type", "$severity", "$tenant", "$task", "$data");
        _lastEvent = Prepare("SELECT last_insert_rowid()");
        _webhooks = new WebhookStatements(connection);
    }

    /// <summary>Inside a transaction.</summary>
    /// <param name="write">What to store.</param>
    /// <param name="transaction">All of a batch.</param>
    /// <param name="told">Gets the events that became part of it, with their numbers.</param>
    /// <returns>How many tasks ended by it.</returns>
    public int Write(LedgerWrite write, SqliteTransaction transaction, List<NodeEvent> told)
    {
        if (write is LedgerEvents events)
        {
            foreach (var item in events.Items)
            {
                told.Add(Tell(item, transaction));
            }

            return 0;
        }

        // What changed nothing (a start behind an end) is not told.
        var changed = Change(write, transaction);
        if (write.Told(changed) is { } happened)
        {
            told.Add(Tell(happened, transaction));
        }

        return write is LedgerEnd ? changed : 0;
    }

    private int Change(LedgerWrite write, SqliteTransaction transaction)
    {
        if (write is WebhookWrite webhook)
        {
            return webhook.Changed = _webhooks.Write(webhook, transaction);
        }

        var id = LedgerIds.ToBytes(write.Id);
        switch (write)
        {
            case LedgerSubmission task:
                Keep(task.Image, transaction);
                return Run(
                    _submit, transaction, id, task.Tenant, (int)TaskState.Queued, task.SubmittedUnixMs, task.Idempotency?.Key,
                    task.Idempotency is { } key ? LedgerIds.ToBytes(key.Fingerprint) : null, task.Spec, task.Image?.Hash);
            case LedgerStart start:
                return Run(_start, transaction, id, (int)TaskState.Running, start.Attempt);
            case LedgerCheckpoint checkpoint:
                return Run(_checkpoint, transaction, id, (int)TaskState.Queued, checkpoint.File);
            case LedgerRetry retry:
                return Run(_retry, transaction, id, (int)TaskState.Queued, retry.NextAttempt);
            case LedgerState state:
                var saved = state.Read();
                return Run(_save, transaction, id, saved.AtUnixMs, saved.Times, saved.State);
            case LedgerEnd end:
                Run(_forget, transaction, id);
                return Run(
                    _end, transaction, id, (int)end.State, end.EndedUnixMs, end.Facts, end.Streams[(int)OutputStream.Output],
                    end.Streams[(int)OutputStream.Stdout], end.Streams[(int)OutputStream.Stderr], end.Streams[(int)OutputStream.Log]);
            default:
                throw new InvalidOperationException($"the ledger has no place for a {write.GetType().Name}");
        }
    }

    /// <summary>Images went, or may not be there after all.</summary>
    public void ForgetImages() => _images.Clear();

    public void Dispose()
    {
        _submit.Dispose();
        _start.Dispose();
        _checkpoint.Dispose();
        _retry.Dispose();
        _end.Dispose();
        _save.Dispose();
        _forget.Dispose();
        _image.Dispose();
        _event.Dispose();
        _lastEvent.Dispose();
        _webhooks.Dispose();
    }

    private NodeEvent Tell(NodeEvent told, SqliteTransaction transaction)
    {
        Run(
            _event, transaction, told.UnixMs, told.Type, (int)told.Severity, told.Tenant, told.Task == default ? null : LedgerIds.ToBytes(told.Task), told.Data);
        _lastEvent.Transaction = transaction;
        return told with { Sequence = Convert.ToInt64(_lastEvent.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture) };
    }

    private void Keep(LedgerImage? image, SqliteTransaction transaction)
    {
        if (image is null || !_images.Add(image.Hash))
        {
            return;
        }

        using var look = _connection.CreateCommand();
        look.CommandText = "SELECT 1 FROM images WHERE hash = $hash";
        look.Transaction = transaction;
        look.Parameters.AddWithValue("$hash", image.Hash);
        if (look.ExecuteScalar() is null)
        {
            Run(_image, transaction, image.Hash, image.ReadSource());
        }
    }

    private SqliteCommand Prepare(string sql, params ReadOnlySpan<string> names) => LedgerCommands.Prepare(_connection, sql, names);

    private static int Run(SqliteCommand command, SqliteTransaction transaction, params ReadOnlySpan<object?> values) => LedgerCommands.Run(command, transaction, values);
}
