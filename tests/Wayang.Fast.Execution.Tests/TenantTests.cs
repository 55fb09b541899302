using System.Diagnostics;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Admission;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Core.Scheduling;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Tenants on a real node: shares by weight, bounds, classes, and that nothing starves.</summary>
[Trait("Promise", "RA4")]
public sealed class TenantTests(ITestOutputHelper output)
{
    private static readonly bool s_long = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    [Fact]
    public async Task Under_saturation_slot_time_and_tasks_follow_the_weights()
    {
        using var node = new TestNode(new RuntimeOptions { MaxConcurrentTasks = 2, MaxWorkersPerPool = 3, Tenants = Weighted(100, 200, 400) });
        var load = new List<Load>();
        for (var tenant = 1; tenant <= 3; tenant++)
        {
            load.Add(new Load(node, await ResolveAsync(node, tenant, "doze"), level: 30, milliseconds: "4"));
        }

        await TestNode.UntilAsync(() => load.TrueForAll(static l => l.Ended > 20), "all tenants are served");
        var shares = new SlotShares(node.Runtime.Monitor, 1, 2, 4);
        await TestNode.UntilAsync(() => shares.Total >= (s_long ? 50 : 6), "enough slot time was had to be shared"); // by two slots
        try
        {
            // A machine that stands still while a task has its slot is paid back later: looked at again before it counts as unfair.
            await TestNode.UntilAsync(() => shares.WorstDeviation() <= 0.05, "slot time within 5 % of the weights");
        }
        finally
        {
            output.WriteLine(shares.ToString());
            load.ForEach(static l => l.Stop());
        }
    }

    [Fact]
    public async Task A_starving_idle_task_runs_within_its_bound()
    {
        var (bound, small) = (TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(100));
        using var node = new TestNode(new RuntimeOptions
        {
            MaxConcurrentTasks = 1, IdleAgeing = bound, BatchAgeing = small, NormalAgeing = small, UrgentAgeing = small, Tenants = Weighted(1000, 1),
        });
        var load = new Load(node, await ResolveAsync(node, 1, "doze"), level: 55, milliseconds: "3");
        await TestNode.UntilAsync(() => load.Ended > 20, "the higher class is served");
        var target = await ResolveAsync(node, 2, "doze");
        var began = Stopwatch.GetTimestamp();
        var idle = Submit(node, target, level: 0, data: "50"); // long enough that those whom it was lifted past look whom to freeze
        Assert.Equal(TaskState.Succeeded, (await idle.WaitAsync()).State);
        var waited = Stopwatch.GetElapsedTime(began);
        load.Stop();

        Assert.Equal(0, node.Statistic("preemption_freezes"));
        output.WriteLine(FormattableString.Invariant($"waited {waited.TotalMilliseconds:F0} ms"));
        Assert.InRange(waited, bound, (4 * bound) + TimeSpan.FromSeconds(4)); // it starves until it is lifted, and then no longer
    }

    [Fact]
    public async Task A_tenant_over_its_bounds_is_told_which_and_costs_others_nothing()
    {
        using var node = new TestNode(new RuntimeOptions
        {
            MaxWorkersPerPool = 1,
            Tenants =
            [
                new TenantPolicy(1, "small") { MaxQueued = 2, Share = new TenantShare(100, MaxRunning: 1) },
                new TenantPolicy(2, "light") { MaxQueuedBytes = 100, HighestClass = TaskClass.Batch },
            ],
        });
        var small = await ResolveAsync(node, 1, "until_cancelled");
        var blocker = Submit(node, small, 30);
        await TestNode.UntilAsync(() => StateOf(node, blocker, 1) == TaskState.Running, "the first runs");
        var waiting = new[] { Submit(node, small, 30), Submit(node, small, 30) };
        var refusal = Refusal(node, small, 30, 0);
        Assert.Equal((ErrorCode.ResourceExhausted, 50), (refusal?.Code, refusal?.RetryAfterMs));
        Assert.Contains("'small' has 2 tasks queued: its bound max_queued", refusal?.Message, StringComparison.Ordinal);

        // Its bound of running tasks holds over all its pools: a command waits for the call.
        var command = Resolve(node, 1, TaskKind.Exec, string.Empty);
        Assert.Null(node.Tasks.Cancel(waiting[0].Id, 1));
        await waiting[0].WaitAsync();
        Assert.Null(node.Tasks.Cancel(blocker.Id, 1));
        await TestNode.UntilAsync(() => StateOf(node, waiting[1], 1) == TaskState.Running, "the one that waited runs");
        var echo = Submit(node, command, 40, ["/bin/echo", "x"]);
        await TestNode.UntilAsync(
            () => node.Runtime.Monitor.ListTenants(1) is [{ Running: 1, Queued: 1, Refused: 1 }], "one runs, one waits, one was refused");

        var light = await ResolveAsync(node, 2, "echo");
        Assert.Equal(TaskState.Succeeded, (await Submit(node, light, 23).WaitAsync()).State);
        var classRefusal = Refusal(node, light, 24, 0);
        Assert.Equal((ErrorCode.PermissionDenied, "class"), (classRefusal?.Code, classRefusal?.Field));
        Assert.Contains("'light' may use the classes up to batch, not normal", classRefusal?.Message, StringComparison.Ordinal);
        Assert.Contains("'light' reach 100 bytes: its bound max_queued_bytes", Refusal(node, light, 8, 101)?.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.PermissionDenied, Refusal(node, small, 56, 0)?.Code);

        Assert.Equal(TaskState.Queued, StateOf(node, echo, 1));
        Assert.Null(node.Tasks.Cancel(waiting[1].Id, 1));
        Assert.Equal(TaskState.Succeeded, (await echo.WaitAsync()).State);

        // Other bounds from now on, for tasks that run too.
        node.Runtime.Reconfigure(node.Runtime.Options with { Tenants = [new TenantPolicy(1, "large") { HighestClass = TaskClass.Normal }] });
        Assert.Contains("'large' may use the classes up to normal", Refusal(node, small, 40, 0)?.Message, StringComparison.Ordinal);
        Assert.Null(Refusal(node, await ResolveAsync(node, 2, "echo"), 24, 101));
    }

    /// <summary>What a task does while it waits gives its tenant no more room than it has; an answer from the cache takes none.</summary>
    [Fact]
    public async Task Pauses_moves_and_cached_answers_neither_lend_quota_nor_keep_it()
    {
        using var node = new TestNode(new RuntimeOptions
        {
            MaxWorkersPerPool = 1, MaxConcurrentTasks = 1, Tenants = [new TenantPolicy(1, "small") { MaxQueued = 2, HighestClass = TaskClass.Normal }],
        });
        var command = Resolve(node, 1, TaskKind.Exec, string.Empty);
        for (var i = 0; i < 5; i++)
        {
            var pure = new Ending();
            var line = new CommandLine(["/bin/echo", "known"], [], null);
            var terms = new TaskTerms { Pure = true };
            Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = command, Level = 30, Command = line, Terms = terms }, pure, 0, out _));
            Assert.Equal(i > 0, (await pure.WaitAsync()).FromCache);
        }

        var life = node.Runtime.Life;
        var blocker = Submit(node, command, 30, ["/bin/sleep", "600"]);
        await TestNode.UntilAsync(() => StateOf(node, blocker, 1) == TaskState.Running, "the first runs");
        var paused = Submit(node, command, 39, ["/bin/true"]);
        var moved = Submit(node, command, 38, ["/bin/sleep", "600"]);
        Assert.Null(await life.PauseAsync(paused.Id, 1));
        Assert.Null(await life.UpdateAsync(moved.Id, 1, new TaskUpdate(0, null)));
        Assert.Equal(ErrorCode.PermissionDenied, (await life.UpdateAsync(moved.Id, 1, new TaskUpdate(40, null)))?.Code);
        Assert.Equal(ErrorCode.ResourceExhausted, Refusal(node, command, 30, 0, ["/bin/true"])?.Code);

        // Their old places come up (in vain) beside one that stays in the queue; one of them starts.
        Assert.Null(node.Tasks.Cancel(blocker.Id, 1));
        await TestNode.UntilAsync(() => StateOf(node, moved, 1) == TaskState.Running, "the moved one runs");
        var third = Submit(node, command, 30, ["/bin/true"]);
        Assert.Contains("max_queued", Refusal(node, command, 30, 0, ["/bin/true"])?.Message, StringComparison.Ordinal);
        Assert.Null(node.Tasks.Cancel(paused.Id, 1));
        await paused.WaitAsync();

        // Its end is told before the owner of the queue has it out of there.
        Ending? fourth = null;
        await TestNode.UntilAsync(() => (fourth = TrySubmit(node, command)) is not null, "its place is free");
        Assert.Null(node.Tasks.Cancel(moved.Id, 1));
        Assert.Equal(TaskState.Succeeded, (await third.WaitAsync()).State);
        Assert.Equal(TaskState.Succeeded, (await fourth!.WaitAsync()).State);
    }

    private static TenantPolicy[] Weighted(params int[] weights) =>
        [.. weights.Select(static (w, i) => new TenantPolicy(i + 1, $"w{w}") { Share = new TenantShare(w) })];

    private static async Task<CallTarget> ResolveAsync(TestNode node, int tenant, string function)
    {
        var upload = new ImageUpload("c", File.ReadAllBytes(Installation.TestPlugin), "test", tenant);
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
        return Resolve(node, tenant, TaskKind.Call, function);
    }

    private static CallTarget Resolve(TestNode node, int tenant, TaskKind kind, string function)
    {
        var request = new TargetRequest { Kind = kind, Image = kind == TaskKind.Exec ? default : "test"u8, Function = Encoding.UTF8.GetBytes(function), Tenant = tenant };
        Assert.Null(node.Tasks.Resolve(request, out var target));
        return target!;
    }

    private static Ending Submit(TestNode node, CallTarget target, byte level, string[]? command = null, string data = "")
    {
        var ending = new Ending();
        var line = command is null ? null : new CommandLine(command, [], null);
        var error = node.Tasks.Submit(new TaskSubmission { Target = target, Level = level, Command = line, Data = Encoding.ASCII.GetBytes(data) }, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    /// <returns>Null: it was refused.</returns>
    private static Ending? TrySubmit(TestNode node, CallTarget target)
    {
        var ending = new Ending();
        var line = new CommandLine(["/bin/true"], [], null);
        return node.Tasks.Submit(new TaskSubmission { Target = target, Level = 30, Command = line }, ending, 0, out _) is null ? ending : null;
    }

    private static OperationError? Refusal(TestNode node, CallTarget target, byte level, int bytes, string[]? command = null)
    {
        var line = command is null ? null : new CommandLine(command, [], null);
        return node.Tasks.Submit(new TaskSubmission { Target = target, Level = level, Data = new byte[bytes], Command = line }, null, 0, out _);
    }

    private static TaskState StateOf(TestNode node, Ending ending, int tenant)
    {
        Assert.Null(node.Tasks.Get(ending.Id, tenant, out var snapshot));
        return snapshot!.State;
    }

    /// <summary>Keeps tasks of one tenant waiting: each end submits the next one.</summary>
    private sealed class Load : ITaskObserver
    {
        private const int Depth = 12;
        private readonly TestNode _node;
        private readonly CallTarget _target;
        private readonly byte _level;
        private readonly byte[] _data;
        private volatile bool _stopped;
        private int _ended;

        public Load(TestNode node, CallTarget target, byte level, string milliseconds)
        {
            (_node, _target, _level, _data) = (node, target, level, Encoding.ASCII.GetBytes(milliseconds));
            for (var i = 0; i < Depth; i++)
            {
                Submit();
            }
        }

        public int Ended => Volatile.Read(ref _ended);

        public void Stop() => _stopped = true;

        public void OnTaskEnded(ITaskView task, long token)
        {
            Interlocked.Increment(ref _ended);
            if (!_stopped)
            {
                Submit();
            }
        }

        public void OnBatchEnd()
        {
        }

        private void Submit() => _node.Tasks.Submit(new TaskSubmission { Target = _target, Level = _level, Data = _data }, this, 0, out _);
    }
}
