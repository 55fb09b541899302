using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Ledger;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Ledger;

/// <summary>
/// The limit: the same rows by the same prepared statements into the same tables, synchronous = FULL, on this thread, with nothing around
/// them: no task, no queue, nobody told.
/// </summary>
internal sealed class RawCommits : IDisposable
{
    private const uint BootTag = 0xBEEF;
    private readonly SqliteConnection _connection;
    private readonly LedgerStatements _statements;
    private readonly RowSizes _sizes;
    private readonly List<TaskId> _open = [];
    private int _made;

    /// <param name="path">Of its own database; beside the other one, on the same file system.</param>
    /// <param name="sizes">Filled already.</param>
    public RawCommits(string path, RowSizes sizes)
    {
        LedgerDatabase.Create(path);
        var (connection, failure) = LedgerDatabase.OpenWriter(path);
        _connection = connection ?? throw new PerfException($"no raw database: {failure}");
        _statements = new LedgerStatements(_connection);
        _sizes = sizes;
    }

    /// <summary>Submissions a second, <paramref name="group"/> in a commit, with the starts and ends of those of the commit before.</summary>
    public double MeasureRate(int group, int submissions)
    {
        var start = Stopwatch.GetTimestamp();
        for (var done = 0; done < submissions; done += group)
        {
            using var transaction = _connection.BeginTransaction(deferred: false);
            End(transaction);
            for (var i = 0; i < group; i++)
            {
                _open.Add(Submit(transaction));
            }

            transaction.Commit();
        }

        return submissions / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Median nanoseconds of one commit of one submission.</summary>
    public double MeasureLatency(int submissions)
    {
        var samples = new double[submissions];
        for (var i = 0; i < submissions; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using (var transaction = _connection.BeginTransaction(deferred: false))
            {
                _open.Add(Submit(transaction));
                transaction.Commit();
            }

            samples[i] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            using var after = _connection.BeginTransaction(deferred: false);
            End(after);
            after.Commit();
        }

        Array.Sort(samples);
        return samples[submissions / 2];
    }

    public void Dispose()
    {
        _statements.Dispose();
        _connection.Dispose();
    }

    private TaskId Submit(SqliteTransaction transaction)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var id = TaskId.Create(now, BootTag, (uint)(_made >> 16), _made & 0xFFFF);
        _made++;
        _statements.Write(new LedgerSubmission(id) { Tenant = 0, SubmittedUnixMs = now, Spec = new byte[_sizes.SpecBytes] }, transaction);
        return id;
    }

    private void End(SqliteTransaction transaction)
    {
        foreach (var id in _open)
        {
            _statements.Write(new LedgerStart(id, 1), transaction);
            _statements.Write(
                new LedgerEnd(id)
                {
                    State = TaskState.Succeeded,
                    EndedUnixMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
                    Facts = new byte[_sizes.FactsBytes],
                    Streams = [_sizes.OutputBytes > 0 ? new byte[_sizes.OutputBytes] : null, null, null, null],
                },
                transaction);
        }

        _open.Clear();
    }
}
