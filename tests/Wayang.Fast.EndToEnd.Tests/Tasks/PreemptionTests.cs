using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Preemption;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.EndToEnd.Tests.Python;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>
/// A higher class that finds no slot freezes a task of a lower one, takes its slot, and gives it back. Most of it is shown by what could not happen
/// otherwise: the tasks that hold all slots would never end.
/// </summary>
[Trait("Promise", "PS1")]
public sealed class PreemptionTests
{
    private const byte Batch = 16;
    private const byte Normal = 28; // what was lifted from batch stands at 32
    private const byte Urgent = 48;
    private const int Slots = 2;

    // Counts as fast as it can, with a child beside it; the sum at its end shows that no step was lost or done twice.
    private const string Counting =
        "i=0; h=7; (while :; do :; done) & while [ $i -lt 60000 ]; do h=$(( (h * 31 + i) % 1000003 )); i=$((i+1)); done; kill $!; echo $h";

    private static readonly bool s_long = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";
    private static readonly RuntimeOptions s_pools = new() { MaxWorkersPerPool = Slots };
    private static readonly RuntimeOptions s_node = new() { MaxConcurrentTasks = Slots };

    public static TheoryData<bool> Bounds => [true, false];

    /// <summary>Nobody yields where processes can only be stopped one by one, by signals.</summary>
    private static void RequireFreezer(LiveNode node)
    {
        // The spawner says what the host gives, when it has answered.
        Assert.True(SpinWait.SpinUntil(() => node.Tasks.DescribeNode().Features.Count > 0, LiveNode.Patience));
        Assert.SkipUnless(node.Tasks.DescribeNode().Features.Contains("Freezer"), "this host gives no group that freezes: 'wayang doctor' says why");
    }

    [Theory]
    [MemberData(nameof(Bounds))]
    public async Task An_urgent_command_does_not_wait_for_batch_commands_that_never_end(bool ofTheNode)
    {
        using var node = new LiveNode(ofTheNode ? s_node : s_pools);
        RequireFreezer(node);
        var hogs = await FillAsync(node, "while :; do echo .; sleep 0.01; done");
        var urgent = Shell(node, "echo urgent; sleep 600", Urgent, out var waiter);
        await LiveNode.UntilAsync(() => node.ReadSoFar(urgent, OutputStream.Stdout).Length > 0, "it runs");
        await LiveNode.UntilAsync(() => Frozen(node, hogs) == 1, "one batch task is frozen");
        Assert.Equal(1, node.Statistic("preemption_frozen"));
        var victim = Array.Find(hogs, h => node.StateOf(h) == TaskState.Frozen);

        // It stands still for as long as another of its kind takes for many steps.
        var written = Written(node, victim);
        var other = Array.Find(hogs, h => h != victim);
        await LiveNode.UntilAsync(() => Quiet(node, victim, ref written, other, Written(node, other) + 40), "it stands still beside one that runs");
        Assert.Contains("yields to urgent", node.Monitor.Explain(victim, 0)!.Text, StringComparison.Ordinal);
        node.Cancel(urgent);
        Assert.Equal(TaskState.Cancelled, (await waiter.Ended.WaitAsync(LiveNode.Patience)).State);
        await LiveNode.UntilAsync(() => node.StateOf(victim) == TaskState.Running, "it has its slot again");
        await LiveNode.UntilAsync(() => Written(node, victim) > written, "it goes on");
        Assert.Contains("was frozen 1 time", node.Monitor.Explain(victim, 0)!.Text, StringComparison.Ordinal);
        await EndAsync(node, hogs);
    }

    /// <summary>Behind a long queue all that runs of class batch has been lifted to normal: urgent tasks were never lifted past, and do not wait for it.</summary>
    [Fact]
    public async Task What_ageing_lifted_yields_at_once_to_who_is_above_it_still()
    {
        var bound = TimeSpan.FromSeconds(6);
        using var node = new LiveNode(new RuntimeOptions { MaxConcurrentTasks = 1, BatchAgeing = bound, NormalAgeing = TimeSpan.Zero });
        RequireFreezer(node);
        var first = await FillAsync(node, "sleep 600", count: 1);
        var lifted = Shell(node, "while :; do echo .; sleep 0.01; done", Batch, out _);
        var since = Stopwatch.StartNew();
        await LiveNode.UntilAsync(() => since.Elapsed > bound * 1.2, "it has waited for its lift");
        var passed = Shell(node, "sleep 600", Normal, out _);
        node.Cancel(first[0]);
        await LiveNode.UntilAsync(() => node.StateOf(lifted) == TaskState.Running, "it goes before one of class normal, so it was lifted");
        since.Restart();
        var urgent = Shell(node, "echo urgent; sleep 600", Urgent, out _);
        await LiveNode.UntilAsync(() => node.ReadSoFar(urgent, OutputStream.Stdout).Length > 0, "the urgent one runs");
        Assert.True(since.Elapsed < bound, "it waited until it would have been let in anyway");
        Assert.Equal((TaskState.Frozen, TaskState.Queued), (node.StateOf(lifted), node.StateOf(passed)));

        // And goes on before the one that it was lifted past.
        node.Cancel(urgent);
        await LiveNode.UntilAsync(() => node.StateOf(lifted) == TaskState.Running || node.StateOf(passed) == TaskState.Running, "one of the two goes on");
        Assert.Equal((TaskState.Running, TaskState.Queued), (node.StateOf(lifted), node.StateOf(passed)));
        await EndAsync(node, [lifted, passed]);
    }

    /// <summary>Of many urgent tasks each finds its slot, and what was frozen for each of them has the right answer.</summary>
    [Fact]
    public async Task What_was_frozen_many_times_under_load_computes_what_it_would_have_alone()
    {
        using var node = new LiveNode(s_pools);
        RequireFreezer(node);
        var alone = await node.ShellAsync(Counting);
        Assert.Equal(TaskState.Succeeded, alone.State);
        var rounds = s_long ? 10_000 : 60;
        var batch = new List<EndWaiter>();
        while (node.Statistic("preemption_freezes") < rounds)
        {
            while (batch.Count < Slots || batch[^Slots].Ended.IsCompleted)
            {
                Shell(node, Counting, Batch, out var one);
                batch.Add(one);
            }

            Shell(node, "exit 0", Urgent, out var urgent);
            Assert.Equal(TaskState.Succeeded, (await urgent.Ended.WaitAsync(LiveNode.Patience)).State);
        }

        foreach (var one in batch)
        {
            var end = await one.Ended.WaitAsync(LiveNode.Patience);
            Assert.True(end.State == TaskState.Succeeded && end.Out == alone.Out, end.ToString());
            Assert.Equal(1, one.Told);
        }

        await LiveNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "every slot is given back, once");
        Assert.Equal(0, node.Statistic("preemption_frozen"));
        Assert.Equal(node.Statistic("preemption_freezes"), node.Statistic("preemption_thaws") + node.Statistic("preemption_ended_frozen"));
    }

    [Theory]
    [MemberData(nameof(Bounds))]
    public async Task An_urgent_call_does_not_wait_for_batch_calls_that_never_end(bool ofTheNode)
    {
        using var node = new LiveNode(ofTheNode ? s_node : s_pools);
        RequireFreezer(node);
        await node.PutAsync("good", Plugins.Good);
        var endless = await node.FunctionAsync("good", "until_cancelled");
        var echo = await node.FunctionAsync("good", "echo");
        var hogs = new EndWaiter[Slots];
        var ids = new TaskId[Slots];
        for (var i = 0; i < Slots; i++)
        {
            ids[i] = node.Begin(endless, default, out hogs[i], level: Batch);
        }

        await LiveNode.UntilAsync(() => ids.All(h => node.StateOf(h) == TaskState.Running), "all slots are taken");
        for (var i = 0; i < 20; i++)
        {
            var end = await node.CallAsync(echo, "x"u8.ToArray(), level: Urgent);
            Assert.Equal((TaskState.Succeeded, "x"), (end.State, end.Text));
            await LiveNode.UntilAsync(() => Frozen(node, ids) == 0, "all go on");
        }

        Assert.Equal(20, node.Statistic("preemption_freezes"));

        // Cancelled while it is frozen: it goes on for its grace, and ends as it was asked to.
        var longer = node.Begin(endless, default, out var urgent, level: Urgent);
        await LiveNode.UntilAsync(() => Frozen(node, ids) == 1, "one is frozen");
        var victim = Array.FindIndex(ids, h => node.StateOf(h) == TaskState.Frozen);
        node.Cancel(ids[victim]);
        Assert.Equal(TaskState.Cancelled, (await hogs[victim].Ended.WaitAsync(LiveNode.Patience)).State);
        node.Cancel(longer);
        node.Cancel(ids[1 - victim]);
        Assert.Equal(TaskState.Cancelled, (await urgent.Ended.WaitAsync(LiveNode.Patience)).State);
        Assert.Equal(TaskState.Cancelled, (await hogs[1 - victim].Ended.WaitAsync(LiveNode.Patience)).State);
        await LiveNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "every slot is given back, once");
    }

    [Fact]
    public async Task A_Python_call_is_frozen_in_the_middle_of_a_loop_and_ends_with_the_right_answer()
    {
        using var python = new PythonNode(new RuntimeOptions { MaxWorkersPerPool = 1 });
        RequireFreezer(python.Node);
        await python.PutAsync("def chain(data: bytes) -> bytes:\n    h = 7\n    for i in range(3_000_000):\n        h = (h * 31 + i) % 1000003\n    return str(h).encode()\n\ndef quick(data: bytes) -> bytes:\n    return b'quick'\n");
        var chain = await python.Node.FunctionAsync("job", "chain");
        var quick = await python.Node.FunctionAsync("job", "quick");
        var alone = (await python.Node.CallAsync(chain)).Text;
        var id = python.Node.Begin(chain, default, out var batch, level: Batch);
        await LiveNode.UntilAsync(() => python.Node.StateOf(id) != TaskState.Queued, "it runs");
        Assert.Equal("quick", (await python.Node.CallAsync(quick, level: Urgent)).Text);
        var end = await batch.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.Succeeded, alone), (end.State, end.Text));
        Assert.True(python.Node.Statistic("preemption_freezes") == 1, "the loop was over before the urgent call came");
        Assert.Equal(1, end.Life!.Preemption!.Times);
    }

    /// <summary>A timeout stands still with the task, a deadline does not; and a command that was frozen takes its cancel as one that runs.</summary>
    [Fact]
    public async Task A_frozen_task_keeps_its_timeout_and_loses_to_its_deadline_and_to_a_cancel()
    {
        using var node = new LiveNode(s_pools with { MaxWorkersPerPool = 1 });
        RequireFreezer(node);
        var deadline = DateTimeOffset.UtcNow + TimeSpan.FromSeconds(6);
        var victim = Shell(node, "trap 'echo bye; exit 0' TERM; echo x; while :; do sleep 0.05; done", Batch, out var waiter, 3_000, new TaskTerms { Deadline = deadline });
        await LiveNode.UntilAsync(() => Written(node, victim) > 0, "it listens");
        var urgent = Shell(node, "sleep 600", Urgent, out var hog);
        await LiveNode.UntilAsync(() => node.StateOf(victim) == TaskState.Frozen, "it is frozen");
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.TimedOut, CauseType.DeadlinePassed, "x\nbye\n"), (end.State, end.Cause.Type, end.Out));
        Assert.True(DateTimeOffset.UtcNow >= deadline);
        node.Cancel(urgent);
        await hog.Ended.WaitAsync(LiveNode.Patience);
        await LiveNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "every slot is given back, once");
    }

    [Fact]
    public async Task A_worker_that_is_killed_while_it_is_frozen_ends_with_its_cause()
    {
        using var node = new LiveNode(s_pools with { MaxWorkersPerPool = 1, HeartbeatTimeoutMs = 1_000 });
        RequireFreezer(node);
        await node.PutAsync("good", Plugins.Good);
        var endless = await node.FunctionAsync("good", "until_cancelled");
        var victim = node.Begin(endless, default, out var waiter, level: Batch);
        await LiveNode.UntilAsync(() => node.StateOf(victim) == TaskState.Running, "it runs");
        await LiveNode.UntilAsync(() => node.WorkerPids().Count > 0, "the node was told of its worker");
        var process = Assert.Single(node.WorkerPids());
        var urgent = node.Begin(endless, default, out var hog, level: Urgent);
        await LiveNode.UntilAsync(() => node.StateOf(victim) == TaskState.Frozen && node.StateOf(urgent) == TaskState.Running, "it is frozen");

        // Nobody takes it for one that hangs: three times as long as that takes.
        var ticks = node.Statistic("uptime_s") + 4;
        await LiveNode.UntilAsync(() => node.Statistic("uptime_s") >= ticks, "heartbeats were looked at");
        Assert.Equal(TaskState.Frozen, node.StateOf(victim));
        Signals.Kill(process);
        node.Cancel(urgent); // a process that version 1 has frozen dies when it goes on
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (end.State, end.Cause.Type));
        await hog.Ended.WaitAsync(LiveNode.Patience);
        await LiveNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "every slot is given back, once");
    }

    [Fact]
    public async Task Only_lower_classes_yield_and_only_as_many_as_may()
    {
        using var node = new LiveNode(s_pools with { MaxWorkersPerPool = 3, Preemption = new PreemptionPolicy { MaxTasks = 1 } });
        RequireFreezer(node);
        var normal = await FillAsync(node, "while :; do :; done", LiveNode.Normal, 1);
        var hogs = await FillAsync(node, "while :; do :; done", Batch, 2);
        var first = Shell(node, "sleep 600", Urgent, out var waiter);
        await LiveNode.UntilAsync(() => node.StateOf(first) == TaskState.Running && Frozen(node, hogs) == 1, "one yields");
        var second = Shell(node, "exit 0", Urgent, out var other);
        await LiveNode.UntilAsync(() => node.Statistic("preemption_refused_too_many_tasks") > 0, "the second one finds the bound");
        Assert.Equal((TaskState.Queued, TaskState.Running, 1), (node.StateOf(second), node.StateOf(normal[0]), Frozen(node, hogs)));
        Assert.Contains("frozen", node.Monitor.Explain(second, 0)!.Text, StringComparison.Ordinal);
        node.Cancel(first);
        await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal(TaskState.Succeeded, (await other.Ended.WaitAsync(LiveNode.Patience)).State);
        await LiveNode.UntilAsync(() => Frozen(node, hogs) == 0, "all go on");
        await EndAsync(node, [.. hogs, .. normal]);
    }

    /// <summary>What waits for memory must not wait for a task that stands still because of it.</summary>
    [Fact]
    public async Task Memory_that_a_frozen_task_holds_is_not_waited_for_without_end()
    {
        const long mebibyte = 1 << 20;
        using var node = new LiveNode(s_node with
        {
            MaxConcurrentTasks = 1, NodeMemoryBytes = 100 * mebibyte, WorkerReservedBytes = 60 * mebibyte, Preemption = new PreemptionPolicy { MaxBytes = 100 * mebibyte },
        });
        RequireFreezer(node);
        await node.PutAsync("good", Plugins.Good);
        var endless = await node.FunctionAsync("good", "until_cancelled");
        var hog = (await FillAsync(node, "while :; do :; done", Batch, 1))[0];
        var command = Shell(node, "echo done", Urgent, out var ended);
        await LiveNode.UntilAsync(() => node.StateOf(command) == TaskState.Queued, "it waits");
        Assert.Equal((TaskState.Running, 0), (node.StateOf(hog), node.Statistic("preemption_freezes"))); // there is no memory for it
        var call = node.Begin(endless, default, out var other, level: Urgent + 1);
        await LiveNode.UntilAsync(() => (node.StateOf(call), node.StateOf(hog)) == (TaskState.Running, TaskState.Frozen), "a call needs none");
        node.Cancel(call);
        await other.Ended.WaitAsync(LiveNode.Patience);
        await LiveNode.UntilAsync(() => (node.StateOf(command), node.StateOf(hog)) == (TaskState.Queued, TaskState.Running), "the command has the slot, the other the memory");
        node.Cancel(hog);
        Assert.Equal("done\n", (await ended.Ended.WaitAsync(LiveNode.Patience)).Out);
        await LiveNode.UntilAsync(() => node.Statistic("slots_in_use") == 0, "every slot is given back, once");
    }

    [Fact]
    public async Task Without_preemption_nothing_is_frozen()
    {
        using var node = new LiveNode(s_pools with { Preemption = new PreemptionPolicy { Enabled = false } });
        RequireFreezer(node);
        var hogs = await FillAsync(node, "while :; do :; done");
        var urgent = Shell(node, "exit 0", Urgent, out var waiter);
        var later = Shell(node, "exit 0", Batch, out var last);
        node.Cancel(hogs[0]);
        Assert.Equal(TaskState.Succeeded, (await waiter.Ended.WaitAsync(LiveNode.Patience)).State);
        Assert.Equal(TaskState.Succeeded, (await last.Ended.WaitAsync(LiveNode.Patience)).State);
        Assert.Equal(0, node.Statistic("preemption_freezes"));
        Assert.NotEqual(urgent, later);
        await EndAsync(node, hogs);
    }

    private static int Frozen(LiveNode node, TaskId[] tasks) => tasks.Count(t => node.StateOf(t) == TaskState.Frozen);

    private static int Written(LiveNode node, TaskId task)
    {
        Assert.Null(node.Tasks.Get(task, 0, out var snapshot));
        return snapshot!.StdoutBytes;
    }

    /// <summary>The other has come so far while it wrote nothing; what stood in the pipe begins the wait anew.</summary>
    private static bool Quiet(LiveNode node, TaskId victim, ref int written, TaskId other, int until)
    {
        var before = written;
        var last = Environment.TickCount64 + (long)LiveNode.Patience.TotalMilliseconds;
        while (Written(node, other) < until)
        {
            Assert.True(Environment.TickCount64 < last, $"{other} wrote {Written(node, other)} of {until} bytes");
            Thread.Sleep(1);
        }

        written = Written(node, victim);
        return written == before;
    }

    private static TaskId Shell(LiveNode node, string script, byte level, out EndWaiter waiter, uint timeoutMs = 0, TaskTerms? terms = null)
    {
        waiter = new EndWaiter();
        var submission = new TaskSubmission
        {
            Target = node.Command(), Level = level, TimeoutMs = timeoutMs, Terms = terms, Command = new CommandLine(["/bin/sh", "-c", script], [], WorkingDirectory: null),
        };
        var error = node.Tasks.Submit(submission, waiter, 0, out var id);
        Assert.True(error is null, error?.Message);
        return id;
    }

    private static async Task<TaskId[]> FillAsync(LiveNode node, string script, byte level = Batch, int count = Slots)
    {
        var ids = new TaskId[count];
        for (var i = 0; i < count; i++)
        {
            ids[i] = Shell(node, script, level, out _);
        }

        await LiveNode.UntilAsync(() => ids.All(h => node.StateOf(h) == TaskState.Running), "all slots are taken");
        return ids;
    }

    private static async Task EndAsync(LiveNode node, TaskId[] tasks)
    {
        foreach (var task in tasks)
        {
            node.Cancel(task);
        }

        await LiveNode.UntilAsync(() => tasks.All(t => node.StateOf(t) >= TaskState.Succeeded) && node.Statistic("slots_in_use") == 0, "every slot is given back, once");
    }
}
