using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Wayang.Fast.Ledger;

/// <summary>
/// The form of the database and its way from each earlier one. The version stands in the file's header (user_version). Forward only: a file of a
/// newer version is left as it is.
/// </summary>
internal static class LedgerSchema
{
    /// <summary>"WYLG": says in the file's header whose it is.</summary>
    public const int ApplicationId = 0x57594C47;

    /// <summary>The n-th brings a file of version n to version n + 1. Never changed once it was shipped.</summary>
    private static readonly string[] s_steps =
    [
        """
        CREATE TABLE tasks (
            place INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            tenant INTEGER NOT NULL,
            state INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            submitted_ms INTEGER NOT NULL,
            ended_ms INTEGER,
            key TEXT,
            fingerprint BLOB,
            spec BLOB NOT NULL,
            facts BLOB,
            output BLOB, stdout BLOB, stderr BLOB, log BLOB
        );
        CREATE INDEX live ON tasks(place) WHERE ended_ms IS NULL;
        CREATE INDEX ended ON tasks(ended_ms) WHERE ended_ms IS NOT NULL;
        CREATE INDEX keyed ON tasks(submitted_ms) WHERE key IS NOT NULL;
        """,
        """
        CREATE TABLE images (
            hash TEXT PRIMARY KEY,
            source BLOB NOT NULL
        );
        ALTER TABLE tasks ADD COLUMN image TEXT;
        CREATE INDEX needing ON tasks(image) WHERE ended_ms IS NULL AND image IS NOT NULL;
        """,

        // Numbers begin at the microseconds of the clock: those of a file that was moved away never come again.
        """
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            at_ms INTEGER NOT NULL,
            type TEXT NOT NULL,
            severity INTEGER NOT NULL,
            tenant INTEGER NOT NULL,
            task BLOB,
            data BLOB NOT NULL
        );
        INSERT INTO sqlite_sequence (name, seq) VALUES ('events', CAST(strftime('%s', 'now') AS INTEGER) * 1000000);
        """,
        """
        ALTER TABLE tasks ADD COLUMN checkpoint TEXT;
        """,
        """
        CREATE TABLE webhooks (
            id TEXT PRIMARY KEY,
            tenant INTEGER NOT NULL,
            url TEXT NOT NULL,
            type TEXT NOT NULL,
            severity INTEGER NOT NULL,
            of_tenant INTEGER,
            created_ms INTEGER NOT NULL,
            secret BLOB NOT NULL,
            former_secret BLOB NOT NULL,
            former_until_ms INTEGER NOT NULL,
            enabled INTEGER NOT NULL,
            reason TEXT NOT NULL,
            cursor INTEGER NOT NULL
        );
        CREATE TABLE webhook_messages (
            place INTEGER PRIMARY KEY,
            webhook TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            type TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            due_ms INTEGER NOT NULL,
            dead INTEGER NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (webhook, sequence)
        );
        CREATE INDEX webhook_due ON webhook_messages(webhook, dead, due_ms);
        CREATE TABLE webhook_attempts (
            place INTEGER PRIMARY KEY,
            webhook TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            type TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            outcome INTEGER NOT NULL,
            status INTEGER NOT NULL,
            duration_us INTEGER NOT NULL,
            detail TEXT NOT NULL
        );
        CREATE INDEX webhook_log ON webhook_attempts(webhook, place);
        """,

        // How often the times of its messages were moved because the clock was set: what makes such a move happen once.
        """
        ALTER TABLE webhooks ADD COLUMN shifts INTEGER NOT NULL DEFAULT 0;
        """,

        // Apart from tasks: a state is written often, and its task's row is not to be written again with it.
        """
        CREATE TABLE states (
            id BLOB PRIMARY KEY,
            at_ms INTEGER NOT NULL,
            times INTEGER NOT NULL,
            bytes BLOB NOT NULL
        );
        """,
    ];

    public static int Version => s_steps.Length;

    /// <summary>Whether the file is ours, and of a form that we know. Changes nothing.</summary>
    /// <returns>Null, or why it cannot be used.</returns>
    public static string? Judge(SqliteConnection connection)
    {
        var found = ReadNumber(connection, "PRAGMA user_version");
        var owner = ReadNumber(connection, "PRAGMA application_id");
        return owner != ApplicationId && (owner != 0 || found != 0 || ReadNumber(connection, "SELECT count(*) FROM sqlite_schema") != 0)
            ? "it is a database of another program"
            : found > s_steps.Length
                ? $"it is of version {found}, and this program knows up to {s_steps.Length}: run the newer program, or move the file away"
                : null;
    }

    /// <summary>Brings a file that was judged to <paramref name="version"/>, in one transaction: a kill leaves it as it was.</summary>
    public static void Migrate(SqliteConnection connection, int version)
    {
        var found = ReadNumber(connection, "PRAGMA user_version");
        if (found >= version)
        {
            return;
        }

        using var transaction = connection.BeginTransaction(deferred: false);
        for (var step = found; step < version; step++)
        {
            Execute(connection, s_steps[step], transaction);
        }

        Execute(connection, string.Create(CultureInfo.InvariantCulture, $"PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {version};"), transaction);
        transaction.Commit();
    }

    public static void Execute(SqliteConnection connection, string sql, SqliteTransaction? transaction = null)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this room; numbers are formatted above.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.Transaction = transaction;
        command.ExecuteNonQuery();
    }

    public static int ReadNumber(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this room.
        command.CommandText = sql;
#pragma warning restore CA2100
        return Convert.ToInt32(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }
}
