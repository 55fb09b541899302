using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Ledger;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Durable calls that stand in files are taken up from them by the next start of the node, or end and say why not; other files of earlier starts go.</summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "TR4")]
public sealed class CheckpointRestartTests : CheckpointFixture
{
    [Fact]
    public async Task A_durable_call_goes_on_from_its_file_after_a_restart()
    {
        byte[] wanted;
        Ending call;
        using (var ledger = Open())
        using (var node = await StartAsync(ledger: ledger))
        {
            wanted = (await Submit(node, Resolve(node, "chain"), LongRounds * 8).WaitAsync()).Output;
            call = await RunDurableAsync(node);
            Assert.Null(await CheckpointAsync(node, call));
            Assert.Equal((TaskState.Queued, Path.GetFileName(FileOf(node, call)!.File)), ledger.ReadLive().Select(static t => (t.State, t.Checkpoint)).Single());
            Abandon(node, ledger);
        }

        Assert.Single(Files());
        using var again = Open();
        using var next = await StartAsync(ledger: again, bare: true);
        Assert.NotNull(FileOf(next, call));
        var end = Wait(next, call.Id);
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await end.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (end.State, end.Times));
        Assert.Equal(wanted, end.Output);
        Assert.Equal(1, Get(next, call).Life!.Attempt);
        await AssertCleanAsync(next);
        Assert.Empty(again.ReadLive());
    }

    [Theory]
    [InlineData("missing", "Could not find")]
    [InlineData("damaged", "damaged")]
    [InlineData("another's", "not of image")]
    [InlineData("another key", "another node's key")]
    public async Task One_whose_file_is_not_what_it_was_ends_and_says_why(string what, string says)
    {
        Ending call, other;
        using (var ledger = Open())
        using (var node = await StartAsync(ledger: ledger))
        {
            (call, other) = (await RunDurableAsync(node), await RunDurableAsync(node));
            Assert.Null(await CheckpointAsync(node, call));
            Assert.Null(await CheckpointAsync(node, other));
            var file = FileOf(node, call)!.File;
            switch (what)
            {
                case "missing":
                    File.Delete(file);
                    break;
                case "damaged":
                    var bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
                    bytes[bytes.Length / 2] ^= 1;
                    await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);
                    break;
                case "another's":
                    File.Copy(FileOf(node, other)!.File, file, overwrite: true);
                    break;
                default:
                    File.Delete(Path.Combine(CheckpointDirectory, "node.key"));
                    break;
            }

            Abandon(node, ledger);
        }

        using var again = Open();
        using var next = await StartAsync(ledger: again, bare: true);
        var end = await Wait(next, call.Id).WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.NodeLost, 1), (end.State, end.Cause.Type, end.Times));
        Assert.Contains("cannot be continued", end.Cause.Detail, StringComparison.Ordinal);
        Assert.Contains(says, end.Cause.Detail, StringComparison.Ordinal);
        var rest = Wait(next, other.Id);
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await rest.WaitAsync();
        Assert.Equal(what == "another key" ? TaskState.Failed : TaskState.Succeeded, rest.State);
    }

    [Fact]
    public async Task One_whose_file_is_gone_gets_the_next_attempt_that_its_terms_give_it()
    {
        Ending call;
        using (var ledger = Open())
        using (var node = await StartAsync(ledger: ledger))
        {
            call = await RunDurableAsync(node, new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.AllRetryable));
            Assert.Null(await CheckpointAsync(node, call));
            File.Delete(FileOf(node, call)!.File);
            Abandon(node, ledger);
        }

        using var again = Open();
        using var next = await StartAsync(ledger: again, bare: true);
        var end = Wait(next, call.Id);
        await next.Runtime.ResumeTasksAsync(TestContext.Current.CancellationToken).WaitAsync(TestNode.Patience);
        await end.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1, 2), (end.State, end.Times, Get(next, call).Life!.Attempt));
    }

    [Fact]
    public async Task Who_asked_is_told_when_it_is_stored_and_the_file_stays_until_it_is_stored_that_it_goes_on()
    {
        using var ledger = new ScriptedLedger();
        using var node = await StartAsync(ledger: ledger);
        var receipt = new Receipt();
        Assert.Null(node.Tasks.Submit(Submission(node, receipt), null, 0, out _));
        (await ledger.TakeAsync<LedgerSubmission>()).OnStored();
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
        var call = Wait(node, receipt.Id);
        (await ledger.TakeAsync<LedgerStart>()).OnStored();
        await node.RunsAsync(call);
        var asked = CheckpointAsync(node, call);
        var written = await ledger.TakeAsync<LedgerCheckpoint>();
        Assert.False(asked.IsCompleted);
        Assert.Equal(FileOf(node, call)!.File, Path.Combine(CheckpointDirectory, written.File));
        written.OnStored();
        Assert.Null(await asked.WaitAsync(TestNode.Patience));
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        var start = await ledger.TakeAsync<LedgerStart>();
        Assert.Single(Files());
        start.OnStored();
        (await ledger.TakeAsync<LedgerEnd>()).OnStored();
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task Files_of_tasks_that_are_no_more_go_and_those_that_a_ledger_may_know_stay()
    {
        Directory.CreateDirectory(CheckpointDirectory);
        string[] files = ["1-a.checkpoint", "1-a.checkpoint.part", "2-b.durable", "2-b.durable.part", "node.key.77"];
        WriteAll(files);
        using (await StartAsync())
        {
            Assert.Equal(["2-b.durable"], Files().Select(Path.GetFileName)); // no ledger that could be asked
        }

        WriteAll(files);
        using var ledger = Open();
        using var node = await StartAsync(ledger: ledger);
        await AssertCleanAsync(node);
    }

    [Fact]
    public async Task Two_daemons_do_not_share_a_directory()
    {
        using var first = await StartAsync();
        var call = Submit(first, Resolve(first, "chain"), LongRounds * 8);
        await first.RunsAsync(call);
        Assert.Null(await CheckpointAsync(first, call));
        using (var second = await StartAsync())
        {
            Assert.True(File.Exists(FileOf(first, call)!.File)); // not swept
            var theirs = Submit(second, Resolve(second, "chain"), LongRounds * 8);
            await second.RunsAsync(theirs);
            Assert.Contains("another daemon", (await CheckpointAsync(second, theirs))!.Message, StringComparison.Ordinal);
            Assert.Equal(TaskState.Succeeded, (await theirs.WaitAsync()).State);
        }

        await EndAsync(first, call);
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
    }

    private static async Task<Ending> RunDurableAsync(TestNode node, RetryTerms? retry = null)
    {
        var receipt = new Receipt();
        Assert.Null(node.Tasks.Submit(Submission(node, receipt, retry), null, 0, out _));
        Assert.Null(await receipt.Told.WaitAsync(TestNode.Patience));
        var call = Wait(node, receipt.Id);
        await node.RunsAsync(call);
        return call;
    }

    private static TaskSubmission Submission(TestNode node, Receipt receipt, RetryTerms? retry = null) => new()
    {
        Target = Resolve(node, "chain"), Data = Input(LongRounds * 8), Level = 32, Terms = new TaskTerms { Durable = true, Retry = retry }, Receipt = receipt,
    };

    private static Ending Wait(TestNode node, TaskId id)
    {
        var ending = new Ending { Id = id };
        Assert.Null(node.Tasks.Wait(id, 0, ending, 0));
        return ending;
    }

    private void WriteAll(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            File.WriteAllText(Path.Combine(CheckpointDirectory, name), name, Encoding.UTF8);
        }
    }

    private string Ledgers => Path.Combine(CheckpointDirectory, "ledger");

    private SqliteLedger Open()
    {
        Directory.CreateDirectory(Ledgers);
        return SqliteLedger.Open(new LedgerOptions(Path.Combine(Ledgers, "ledger.db")), TimeProvider.System);
    }

    /// <summary>The ledger first: what the node still does is not stored, as if it had been killed.</summary>
    private static void Abandon(TestNode node, SqliteLedger ledger)
    {
        ledger.Dispose();
        node.Stop();
    }
}
