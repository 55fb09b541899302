using Microsoft.Data.Sqlite;

namespace Wayang.Fast.Ledger;

/// <summary>Opens the database: for its one writer, and for those who read beside it.</summary>
internal static class LedgerDatabase
{
    /// <summary>A file up to this size is looked through when it is opened; a damaged page of a larger one is met when it is read.</summary>
    private const long ExaminedBytes = 64L << 20;

    private const int BusySeconds = 2;

    static LedgerDatabase() => SQLitePCL.Batteries_V2.Init();

    /// <summary>Makes the file if there is none. What tasks were given and said stands in it: nobody else may read it. The WAL's mode follows.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void Create(string path)
    {
        if (File.Exists(path))
        {
            return;
        }

        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        new FileStream(path, options).Dispose();
    }

    /// <summary>
    /// WAL lets readers go on beside the writer; FULL makes each commit wait until the disk has it. Vacuuming by pieces has to be said before
    /// the first table.
    /// </summary>
    /// <returns>The connection, or why there is none.</returns>
    public static (SqliteConnection? Connection, LedgerFailure? Failure) OpenWriter(string path)
    {
        SqliteConnection? connection = null;
        try
        {
            connection = new SqliteConnection(Describe(path, SqliteOpenMode.ReadWriteCreate));
            connection.Open();
            if ((LedgerSchema.Judge(connection) ?? Damage(connection, path)) is { } problem)
            {
                connection.Dispose();
                return (null, new LedgerFailure($"{path} is not used: {problem}", IsFinal: true));
            }

            LedgerSchema.Execute(connection, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
            LedgerSchema.Migrate(connection, LedgerSchema.Version);
            return (connection, null);
        }
        catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException)
        {
            connection?.Dispose();
            return (null, LedgerFailure.Of(failure, path));
        }
    }

    /// <exception cref="SqliteException">It cannot be opened.</exception>
    public static SqliteConnection OpenReader(string path)
    {
        try
        {
            return Open(Describe(path, SqliteOpenMode.ReadOnly));
        }
        catch (SqliteException) when (!File.Exists(path + "-wal") || new FileInfo(path + "-wal").Length == 0)
        {
            // A read-only file system has no place for the index that readers of a WAL share; without a WAL nothing is in it.
            return Open(Describe(new Uri(path).AbsoluteUri + "?immutable=1", SqliteOpenMode.ReadOnly));
        }
    }

    private static SqliteConnection Open(string text)
    {
        var connection = new SqliteConnection(text);
        try
        {
            connection.Open();
            LedgerSchema.ReadNumber(connection, "SELECT count(*) FROM sqlite_schema");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Looked for before anything is written: what is damaged stays as it is, for whoever wants to save the rest.</summary>
    private static string? Damage(SqliteConnection connection, string path) =>
        new FileInfo(path).Length <= ExaminedBytes && Examine(connection) is { } damage ? $"it is damaged ({damage}): move it away to begin a new one, or bring back a copy" : null;

    private static string? Examine(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA quick_check(1)";
        return command.ExecuteScalar() as string is { } answer && answer != "ok" ? answer.ReplaceLineEndings(" ") : null;
    }

    private static string Describe(string source, SqliteOpenMode mode) =>
        new SqliteConnectionStringBuilder { DataSource = source, Mode = mode, Pooling = false, DefaultTimeout = BusySeconds }.ToString();
}
