using System.Collections.Concurrent;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Ledger.Tests;

/// <summary>
/// A kill at each step of a commit. What a killed process leaves is what it had written to its files by then, which a copy made at that
/// step is: the copy is opened as the next start would.
/// </summary>
[Trait("Promise", "TR4")]
public sealed class KillTests : LedgerFixture
{
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 200 : 10;

    public static TheoryData<int> Steps => [.. Enum.GetValues<CommitStep>().Select(static s => (int)s)];

    [Theory]
    [MemberData(nameof(Steps))]
    public void What_was_acknowledged_before_a_kill_is_there_after_it(int at)
    {
        var random = new Random(at);
        for (var round = 0; round < s_rounds; round++)
        {
            Round((CommitStep)at, random.Next(1, 6), round);
        }
    }

    private void Round(CommitStep at, int commit, int round)
    {
        var home = System.IO.Directory.CreateDirectory(Path.Combine(Directory, $"{at}-{round}")).FullName;
        var copy = System.IO.Directory.CreateDirectory(Path.Combine(home, "copy")).FullName;
        var stored = new ConcurrentDictionary<TaskId, bool>(); // false: submitted, true: ended
        Dictionary<TaskId, bool>? atKill = null;
        using var killed = new ManualResetEventSlim();
        var hits = 0;
        var options = new LedgerOptions(Path.Combine(home, "ledger.db"))
        {
            OnStep = step =>
            {
                if (step == at && ++hits == commit)
                {
                    foreach (var file in System.IO.Directory.GetFiles(home, "ledger.db*").Where(static f => f.EndsWith(".db", StringComparison.Ordinal) || f.EndsWith("-wal", StringComparison.Ordinal)))
                    {
                        File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
                    }

                    atKill = new Dictionary<TaskId, bool>(stored);
                    killed.Set();
                }
            },
        };
        var all = new ConcurrentDictionary<TaskId, bool>();
        using (var ledger = Open(options))
        {
            while (!killed.IsSet)
            {
                var id = NextId();
                all[id] = true;
                ledger.Post(new Told(id, stored));
                ledger.Post(new LedgerStart(id, 1));
                ledger.Post(new ToldEnd(id, stored));
                Thread.Yield();
            }
        }

        using var after = Open(new LedgerOptions(Path.Combine(copy, "ledger.db")));
        Assert.Null(after.Refusal);
        foreach (var (id, ended) in atKill!)
        {
            var found = after.Find(id);
            Assert.NotNull(found);
            Assert.True(!ended || found.State == TaskState.Succeeded, $"{id} was told to have ended and is {found.State} ({at}, commit {commit})");
        }

        Assert.All(after.ReadLive(), t => Assert.True(all.ContainsKey(t.Id)));
    }

    private sealed class Told : LedgerSubmission
    {
        private readonly ConcurrentDictionary<TaskId, bool> _stored;

        [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
        public Told(TaskId id, ConcurrentDictionary<TaskId, bool> stored)
            : base(id)
        {
            (_stored, Tenant, SubmittedUnixMs, Spec) = (stored, 0, id.UnixMilliseconds, [1, 2, 3]);
        }

        public override void OnStored() => _stored[Id] = false;

        public override void OnRefused(OperationError refusal) => throw new InvalidOperationException(refusal.Message);
    }

    private sealed class ToldEnd : LedgerEnd
    {
        private readonly ConcurrentDictionary<TaskId, bool> _stored;

        [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
        public ToldEnd(TaskId id, ConcurrentDictionary<TaskId, bool> stored)
            : base(id)
        {
            (_stored, State, EndedUnixMs, Facts, Streams) = (stored, TaskState.Succeeded, id.UnixMilliseconds, [], [null, null, null, null]);
        }

        public override void OnStored() => _stored[Id] = true;
    }
}
