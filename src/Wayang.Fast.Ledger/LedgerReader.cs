using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Ledger;

/// <summary>Reads beside the writer, by a connection of its own that is opened at the first use and again after a failure. Any thread, one at a time.</summary>
internal sealed partial class LedgerReader(string path) : IDisposable
{
    private const string Columns = "tasks.id, tenant, state, attempt, submitted_ms, spec, facts, output, stdout, stderr, log, checkpoint, states.bytes, at_ms, times";
    private const string Tables = "tasks LEFT JOIN states ON states.id = tasks.id";

    private readonly Lock _lock = new();
    private SqliteConnection? _connection;

    public LedgerTask? Find(TaskId id) => Ask(
        $"SELECT {Columns} FROM {Tables} WHERE tasks.id = $value", LedgerIds.ToBytes(id), static row => row.Read() ? ReadTask(row) : null);

    public IReadOnlyList<LedgerTask> ReadLive() => Ask<IReadOnlyList<LedgerTask>>(
        $"SELECT {Columns} FROM {Tables} WHERE ended_ms IS NULL ORDER BY place", null, static row =>
        {
            var tasks = new List<LedgerTask>();
            while (row.Read())
            {
                tasks.Add(ReadTask(row));
            }

            return tasks;
        });

    public IReadOnlyList<LedgerKey> ReadKeys(DateTimeOffset since) => Ask<IReadOnlyList<LedgerKey>>(
        "SELECT tenant, key, fingerprint, id, submitted_ms FROM tasks WHERE key IS NOT NULL AND submitted_ms >= $value ORDER BY submitted_ms",
        since.ToUnixTimeMilliseconds(),
        static row =>
        {
            var keys = new List<LedgerKey>();
            while (row.Read())
            {
                var terms = new IdempotencyTerms(row.GetString(1), LedgerIds.ToFingerprint(Bytes(row, 2)!));
                keys.Add(new LedgerKey(row.GetInt32(0), terms, LedgerIds.ToId(Bytes(row, 3)!), row.GetInt64(4)));
            }

            return keys;
        });

    public long ReadLastEvent() => Ask("SELECT seq FROM sqlite_sequence WHERE name = 'events'", null, static row => row.Read() ? row.GetInt64(0) : 0);

    public IReadOnlyList<NodeEvent> ReadEvents(long since, int limit) => Ask<IReadOnlyList<NodeEvent>>(
        "SELECT sequence, at_ms, type, severity, tenant, task, data FROM events WHERE sequence > $value ORDER BY sequence",
        since,
        row =>
        {
            var events = new List<NodeEvent>();
            while (events.Count < limit && row.Read())
            {
                events.Add(new NodeEvent(
                    row.GetInt64(0), row.GetInt64(1), row.GetString(2), (EventSeverity)row.GetInt32(3), row.GetInt32(4),
                    Bytes(row, 5) is { } task ? LedgerIds.ToId(task) : default, Bytes(row, 6)!));
            }

            return events;
        });

    public byte[]? ReadImage(string hash) => Ask("SELECT source FROM images WHERE hash = $value", hash, static row => row.Read() ? Bytes(row, 0) : null);

    public void Dispose()
    {
        lock (_lock)
        {
            _connection?.Dispose();
            _connection = null;
        }
    }

    private T Ask<T>(string sql, object? value, Func<SqliteDataReader, T> read, long limit = 0)
    {
        lock (_lock)
        {
            try
            {
                _connection ??= LedgerDatabase.OpenReader(path);
                using var command = _connection.CreateCommand();
#pragma warning disable CA2100 // Constants above.
                command.CommandText = sql;
#pragma warning restore CA2100
                if (value is not null)
                {
                    command.Parameters.AddWithValue("$value", value);
                }

                if (limit > 0)
                {
                    command.Parameters.AddWithValue("$limit", limit);
                }

                using var row = command.ExecuteReader();
                return read(row);
            }
            catch (Exception failure) when (failure is SqliteException or IOException or InvalidOperationException)
            {
                _connection?.Dispose();
                _connection = null;
                throw new LedgerUnreadableException(LedgerFailure.Of(failure, path).Problem, failure);
            }
        }
    }

    private static LedgerTask ReadTask(SqliteDataReader row) => new(
        LedgerIds.ToId(Bytes(row, 0)!), row.GetInt32(1), (TaskState)row.GetInt32(2), row.GetInt32(3), row.GetInt64(4), Bytes(row, 5)!,
        Bytes(row, 6) ?? [], [Bytes(row, 7), Bytes(row, 8), Bytes(row, 9), Bytes(row, 10)], row.IsDBNull(11) ? null : row.GetString(11))
    {
        Saved = Bytes(row, 12) is { } state ? new LedgerSaved(state, row.GetInt64(13), row.GetInt64(14)) : null,
    };

    private static byte[]? Bytes(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<byte[]>(column);
}
