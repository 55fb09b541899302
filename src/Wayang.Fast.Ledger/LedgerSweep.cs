using Microsoft.Data.Sqlite;

namespace Wayang.Fast.Ledger;

/// <summary>Forgets ended tasks whose time is over or that are too many, and gives their space back. Ledger thread only.</summary>
internal sealed class LedgerSweep(LedgerOptions options, TimeProvider time)
{
    private const int MostAtOnce = 1_000;
    private const int PagesAtOnce = 2_000;

    private long _ended;

    /// <summary>After the database was opened.</summary>
    public void Count(SqliteConnection connection) =>
        _ended = LedgerSchema.ReadNumber(connection, "SELECT count(*) FROM tasks WHERE ended_ms IS NOT NULL");

    public void Add(int ended) => _ended += ended;

    /// <returns>There may be more to forget.</returns>
    public bool Run(SqliteConnection connection, LedgerStatements statements)
    {
        var over = Math.Clamp(_ended - options.MaxEnded, 0, MostAtOnce);
        using var transaction = connection.BeginTransaction(deferred: false);
        var gone = Delete(
            connection, transaction, "ended_ms < $bound", (time.GetUtcNow() - options.Retention).ToUnixTimeMilliseconds(), MostAtOnce);
        gone += over > gone ? Delete(connection, transaction, "ended_ms IS NOT NULL", 0, over - gone) : 0;
        if (gone == 0)
        {
            return false;
        }

        LedgerSchema.Execute(
            connection, "DELETE FROM images WHERE hash NOT IN (SELECT image FROM tasks WHERE ended_ms IS NULL AND image IS NOT NULL)", transaction);
        statements.ForgetImages();
        transaction.Commit();
        _ended -= gone;
        using var vacuum = connection.CreateCommand();
        vacuum.CommandText = $"PRAGMA incremental_vacuum({PagesAtOnce})";
        using var pages = vacuum.ExecuteReader();
        while (pages.Read())
        {
            // A step frees a page.
        }

        return gone >= MostAtOnce || over > gone;
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
