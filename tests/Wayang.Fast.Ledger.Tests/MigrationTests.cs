using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>Files of earlier versions are brought forward; those of later ones, and of others, are left as they are.</summary>
[Trait("Promise", "TR4")]
public sealed class MigrationTests : LedgerFixture
{
    public static TheoryData<int> Earlier => [.. Enumerable.Range(0, LedgerSchema.Version)];

    [Theory]
    [MemberData(nameof(Earlier))]
    public async Task A_file_of_each_earlier_version_is_brought_forward(int version)
    {
        var id = NextId();
        using (var connection = Raw())
        {
            LedgerSchema.Migrate(connection, version);
            if (version > 0)
            {
                using var insert = connection.CreateCommand();
                insert.CommandText = "INSERT INTO tasks (id, tenant, state, attempt, submitted_ms, spec) VALUES ($id, 1, 1, 1, 5, x'07')";
                insert.Parameters.AddWithValue("$id", LedgerIds.ToBytes(id));
                insert.ExecuteNonQuery();
            }
        }

        using var ledger = Open();
        Assert.Null(ledger.Refusal);
        if (version > 0)
        {
            Assert.Equal([7], Assert.Single(ledger.ReadLive()).Spec);
            Assert.Null(await Within(Finish(ledger, id).Receipt));
        }

        Assert.Null(await Within(Submit(ledger, NextId(), image: new LedgerImage("h", static () => [1])).Receipt));
    }

    [Fact]
    public async Task A_newer_file_is_left_and_told()
    {
        using (var connection = Raw())
        {
            LedgerSchema.Execute(connection, $"CREATE TABLE future (x); PRAGMA application_id = {LedgerSchema.ApplicationId}; PRAGMA user_version = {LedgerSchema.Version + 1}");
        }

        var before = await File.ReadAllBytesAsync(FilePath);
        using (var ledger = Open())
        {
            Assert.Equal(ErrorCode.Unavailable, ledger.Refusal!.Code);
            Assert.Contains($"version {LedgerSchema.Version + 1}", ledger.Refusal.Message, StringComparison.Ordinal);
            Assert.Equal("durable", ledger.Refusal.Field);
            Assert.Equal(ErrorCode.Unavailable, (await Within(Submit(ledger, NextId()).Receipt))!.Code);
            Assert.Contains("version", Assert.Throws<LedgerUnreadableException>(() => ledger.ReadLive()).Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, await File.ReadAllBytesAsync(FilePath));
    }

    [Fact]
    public async Task A_database_of_another_program_is_left()
    {
        using (var connection = Raw())
        {
            LedgerSchema.Execute(connection, "CREATE TABLE theirs (x)");
        }

        var before = await File.ReadAllBytesAsync(FilePath);
        using (var ledger = Open())
        {
            Assert.Contains("another program", ledger.Refusal!.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, await File.ReadAllBytesAsync(FilePath));
    }

    private SqliteConnection Raw()
    {
        SQLitePCL.Batteries_V2.Init();
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = FilePath, Pooling = false }.ToString());
        connection.Open();
        return connection;
    }
}
