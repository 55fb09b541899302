using Microsoft.Data.Sqlite;
using Wayang.Fast.Core.Diagnostics;

namespace Wayang.Fast.Ledger;

/// <summary>Forgets ended tasks whose time is over or that are too many, and gives their space back. Ledger thread only.</summary>
internal sealed class LedgerSweep(LedgerOptions options, TimeProvider time)
{
    private const int MostAtOnce = 1_000;
    private const int PagesAtOnce = 2_000;
    private const int EventsAtOnce = 10_000;

    private readonly RetentionClock _clock = new(time);
    private long _ended;
    private long _events;

    /// <summary>After the database was opened.</summary>
    public void Count(SqliteConnection connection)
    {
        _ended = LedgerSchema.ReadNumber(connection, "SELECT count(*) FROM tasks WHERE ended_ms IS NOT NULL");
        _events = LedgerSchema.ReadNumber(connection, "SELECT count(*) FROM events");
    }

    public void Add(int ended) => _ended += ended;

    public void AddEvents(int events) => _events += events;

    /// <returns>There may be more to forget.</returns>
    public bool Run(SqliteConnection connection, LedgerStatements statements)
    {
        var more = ForgetEvents(connection);
        var over = Math.Clamp(_ended - options.MaxEnded, 0, MostAtOnce);
        using var transaction = connection.BeginTransaction(deferred: false);
        var gone = Delete(
            connection, transaction, "ended_ms < $bound", _clock.Before(options.Retention).ToUnixTimeMilliseconds(), MostAtOnce);
        gone += over > gone ? Delete(connection, transaction, "ended_ms IS NOT NULL", 0, over - gone) : 0;
        if (gone == 0)
        {
            return more;
        }

        LedgerSchema.Execute(
            connection, "DELETE FROM images WHERE hash NOT IN (SELECT image FROM tasks WHERE ended_ms IS NULL AND image IS NOT NULL)", transaction);
        statements.ForgetImages();
        transaction.Commit();
        _ended -= gone;
        Vacuum(connection);
        return more || gone >= MostAtOnce || over > gone;
    }

    /// <summary>The oldest alone: between those that are left no number is missing.</summary>
    private bool ForgetEvents(SqliteConnection connection)
    {
        var over = Math.Max(0, _events - options.MaxEvents);
        using var transaction = connection.BeginTransaction(deferred: false);
        using var command = connection.CreateCommand();
        command.CommandText = $"""
            WITH oldest AS (SELECT sequence, at_ms FROM events ORDER BY sequence LIMIT {EventsAtOnce})
            DELETE FROM events
            WHERE sequence < COALESCE((SELECT MIN(sequence) FROM oldest WHERE at_ms >= $bound), (SELECT MAX(sequence) + 1 FROM oldest))
            OR sequence IN (SELECT sequence FROM oldest LIMIT $over)
            """;
        command.Transaction = transaction;
        command.Parameters.AddWithValue("$bound", _clock.Before(options.EventRetention).ToUnixTimeMilliseconds());
        command.Parameters.AddWithValue("$over", over);
        var gone = command.ExecuteNonQuery();
        transaction.Commit();
        _events -= gone;
        return gone >= EventsAtOnce;
    }

    private static void Vacuum(SqliteConnection connection)
    {
        using var vacuum = connection.CreateCommand();
        vacuum.CommandText = $"PRAGMA incremental_vacuum({PagesAtOnce})";
        using var pages = vacuum.ExecuteReader();
        while (pages.Read())
        {
            // A step frees a page.
        }
    }

    private static long Delete(SqliteConnection connection, SqliteTransaction transaction, string which, long bound, long most)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this file.
        command.CommandText = $"DELETE FROM tasks WHERE place IN (SELECT place FROM tasks WHERE {which} ORDER BY ended_ms LIMIT $most)";
#pragma warning restore CA2100
        command.Transaction = transaction;
        command.Parameters.AddWithValue("$bound", bound);
        command.Parameters.AddWithValue("$most", most);
        return command.ExecuteNonQuery();
    }
}
