using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>The writer's statements, prepared once a connection. Ledger thread only.</summary>
internal sealed class LedgerStatements : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly HashSet<string> _images = new(StringComparer.Ordinal);
    private readonly SqliteCommand _submit;
    private readonly SqliteCommand _start;
    private readonly SqliteCommand _retry;
    private readonly SqliteCommand _end;
    private readonly SqliteCommand _image;

    public LedgerStatements(SqliteConnection connection)
    {
        _connection = connection;
        _submit = Prepare("""
            INSERT INTO tasks (id, tenant, state, attempt, submitted_ms, key, fingerprint, spec, image)
            VALUES ($id, $tenant, $state, 1, $submitted, $key, $fingerprint, $spec, $image)
            """, "$id", "$tenant", "$state", "$submitted", "$key", "$fingerprint", "$spec", "$image");
        _start = Prepare("UPDATE tasks SET state = $state, attempt = $attempt WHERE id = $id AND ended_ms IS NULL", "$id", "$state", "$attempt");
        _retry = Prepare("UPDATE tasks SET state = $state, attempt = $attempt WHERE id = $id AND ended_ms IS NULL", "$id", "$state", "$attempt");
        _end = Prepare("""
            UPDATE tasks SET state = $state, ended_ms = $ended, facts = $facts, output = $output, stdout = $stdout, stderr = $stderr, log = $log, spec = x''
            WHERE id = $id AND ended_ms IS NULL
            """, "$id", "$state", "$ended", "$facts", "$output", "$stdout", "$stderr", "$log");
        _image = Prepare("INSERT OR IGNORE INTO images (hash, source) VALUES ($hash, $source)", "$hash", "$source");
    }

    /// <summary>Inside a transaction.</summary>
    /// <returns>How many tasks ended by it.</returns>
    public int Write(LedgerWrite write, SqliteTransaction transaction)
    {
        var id = LedgerIds.ToBytes(write.Id.Value);
        switch (write)
        {
            case LedgerSubmission task:
                Keep(task.Image, transaction);
                Run(
                    _submit, transaction, id, task.Tenant, (int)TaskState.Queued, task.SubmittedUnixMs, task.Idempotency?.Key,
                    task.Idempotency is { } key ? LedgerIds.ToBytes(key.Fingerprint) : null, task.Spec, task.Image?.Hash);
                return 0;
            case LedgerStart start:
                Run(_start, transaction, id, (int)TaskState.Running, start.Attempt);
                return 0;
            case LedgerRetry retry:
                Run(_retry, transaction, id, (int)TaskState.Queued, retry.NextAttempt);
                return 0;
            case LedgerEnd end:
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
        _retry.Dispose();
        _end.Dispose();
        _image.Dispose();
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

    private SqliteCommand Prepare(string sql, params ReadOnlySpan<string> names)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // Constants above.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var name in names)
        {
            command.Parameters.Add(new SqliteParameter { ParameterName = name });
        }

        command.Prepare();
        return command;
    }

    private static int Run(SqliteCommand command, SqliteTransaction transaction, params ReadOnlySpan<object?> values)
    {
        command.Transaction = transaction;
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i] ?? DBNull.Value;
        }

        return command.ExecuteNonQuery();
    }
}
