using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

[Trait("Promise", "RA2")]
public sealed class MemoryReservationTests
{
    private const long Mebibyte = 1 << 20;

    [Fact]
    public async Task Command_waits_for_memory_says_so_and_goes_when_it_is_back()
    {
        using var node = new TestNode(new RuntimeOptions { NodeMemoryBytes = 100 * Mebibyte, WorkerReservedBytes = 60 * Mebibyte, MaxWorkersPerPool = 8 });
        var first = Sleep(node);
        await node.RunsAsync(first);
        var second = Sleep(node);
        var cancelled = Sleep(node);
        await TestNode.UntilAsync(() => Explain(node, second).Contains("waits for memory", StringComparison.Ordinal));
        Assert.Contains("60 MiB", Explain(node, second), StringComparison.Ordinal);
        Assert.Equal(TaskState.Queued, node.StateOf(second));
        Assert.Null(node.Tasks.Cancel(cancelled.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await cancelled.WaitAsync()).State);
        Assert.Null(node.Tasks.Cancel(first.Id, 0));
        await node.RunsAsync(second);
        Assert.Contains("60 MiB of memory were set aside", Explain(node, second), StringComparison.Ordinal);
        Assert.Null(node.Tasks.Cancel(second.Id, 0));
        await second.WaitAsync();

        // All that was lent came back: a third one goes at once.
        var third = Sleep(node);
        await node.RunsAsync(third);
        Assert.Null(node.Tasks.Cancel(third.Id, 0));
        await third.WaitAsync();
    }

    /// <summary>Declared four times (and more) too high: at first one runs at a time, later at least twice as many as declared would let.</summary>
    [Fact]
    public async Task More_run_at_once_when_it_is_known_what_they_use()
    {
        const int samples = 6;
        using var node = new TestNode(new RuntimeOptions
        {
            NodeMemoryBytes = 512 * Mebibyte, WorkerReservedBytes = 256 * Mebibyte, PredictionMinSamples = samples, MaxWorkersPerPool = 16,
        });
        for (var i = 0; i < samples; i++)
        {
            Assert.Equal(TaskState.Succeeded, (await node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "0"]).WaitAsync()).State);
        }

        var probe = await node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "0"]).WaitAsync();
        Assert.Null(node.Tasks.Get(probe.Id, 0, out var measured));
        if (measured!.PeakMemoryBytes == 0)
        {
            Assert.Skip("this host has no memory group: peak memory is not measured");
        }

        var tasks = Enumerable.Range(0, 8).Select(_ => Sleep(node)).ToList();
        foreach (var task in tasks)
        {
            await node.RunsAsync(task); // declared would let two run
        }

        Assert.Contains("as tasks like it used", Explain(node, tasks[0]), StringComparison.Ordinal);
        foreach (var task in tasks)
        {
            Assert.Null(node.Tasks.Cancel(task.Id, 0));
            Assert.Equal(TaskState.Cancelled, (await task.WaitAsync()).State);
        }
    }

    /// <summary>The limit that a type is known to run into is raised for the next of it.</summary>
    [Fact]
    public async Task Declared_too_low_is_corrected_after_it_ran_out()
    {
        using var node = new TestNode();
        if (node.Tasks.DescribeNode().Features.All(static f => f != "MemoryGroup"))
        {
            Assert.Skip("this host has no memory group");
        }

        var once = await Hungry(node, null).WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.OutOfMemory), (once.State, once.Cause.Type));
        await TestNode.UntilAsync(() => Explain(node, once).Contains("1 like it ran out of memory", StringComparison.Ordinal));

        // A limit is kept as it was given, unless the task asks to be tried again when it runs out.
        Assert.Equal(CauseType.OutOfMemory, (await Hungry(node, null).WaitAsync()).Cause.Type);
        var second = new RetryTerms(2, TimeSpan.Zero, TimeSpan.Zero, 100, 0, RetryTerms.Bit(CauseType.OutOfMemory));
        Assert.Equal(TaskState.Succeeded, (await Hungry(node, second).WaitAsync()).State);

        // Of a type that nobody has met: the first attempt teaches the second.
        Assert.Equal(TaskState.Succeeded, (await Hungry(node, second, "/bin/bash").WaitAsync()).State);
    }

    /// <summary>Holds some 30 MiB, and says that 24 MiB are enough.</summary>
    private static Ending Hungry(TestNode node, RetryTerms? retry, string shell = "/bin/dash")
    {
        var ending = new Ending();
        var line = new CommandLine([shell, "-c", "head -c 28000000 /dev/zero | tail -c 27000000 > /dev/null"], [], null);
        var terms = new TaskTerms { Limits = new TaskLimits { MemoryBytes = 24 * Mebibyte }, Retry = retry };
        Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = line, Terms = terms }, ending, 0, out var id));
        ending.Id = id;
        return ending;
    }

    [Fact]
    public async Task Pure_task_is_answered_by_an_earlier_result_of_its_own_tenant_and_input_only()
    {
        using var node = new TestNode();
        var first = await Pure(node, "echo $RANDOM$RANDOM").WaitAsync();
        var again = await Pure(node, "echo $RANDOM$RANDOM").WaitAsync();
        var other = await Pure(node, "echo  $RANDOM$RANDOM").WaitAsync();
        Assert.Equal(TaskState.Succeeded, again.State);
        Assert.Equal((first.Stdout, false, true), (again.Stdout, first.FromCache, again.FromCache));
        Assert.False(other.FromCache);
        Assert.NotEqual(first.Id, again.Id);
        var failed = await Pure(node, "exit 3").WaitAsync();
        Assert.False((await Pure(node, "exit 3").WaitAsync()).FromCache || failed.FromCache);
        Assert.False((await node.Submit(node.ResolveCommand(), command: ["/bin/bash", "-c", "echo $RANDOM$RANDOM"]).WaitAsync()).FromCache);
    }

    private static Ending Pure(TestNode node, string script)
    {
        var ending = new Ending();
        var line = new CommandLine(["/bin/bash", "-c", script], [], null);
        var submission = new TaskSubmission { Target = node.ResolveCommand(), Level = 32, Command = line, Terms = new TaskTerms { Pure = true } };
        Assert.Null(node.Tasks.Submit(submission, ending, 0, out var id));
        ending.Id = id;
        return ending;
    }

    private static Ending Sleep(TestNode node) => node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "600"]);

    private static string Explain(TestNode node, Ending task) => node.Runtime.Monitor.Explain(task.Id, 0)!.Text;
}
