using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Execution.Dispatch;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Dispatch that really stands still, threads that really stand still, workers that are really stopped.</summary>
[Trait("Promise", "HM4")]
public sealed class WatchdogTests
{
    private const int StallMs = 200;

    private static RuntimeOptions Quick => new() { StallMs = StallMs, HeartbeatTimeoutMs = 1_000, MaxWorkersPerPool = 2 };

    [Fact]
    public async Task A_shard_that_nobody_goes_through_is_set_going_again()
    {
        Assert.True(Faults.AreEnabled, "the fault points are off: see the project file");
        using var node = new TestNode(Quick);
        var echo = node.Resolve("echo");
        Assert.Equal(TaskState.Succeeded, (await node.Submit(echo, "a"u8).WaitAsync()).State);
        node.Runtime.Faults.Arm(FaultPoint.PumpLost);
        var waiting = node.Submit(echo, "b"u8);

        // With the fault armed only the watchdog goes through the shard.
        await waiting.WaitAsync();

        node.Runtime.Faults.Disarm(FaultPoint.PumpLost);
        Assert.Equal(TaskState.Succeeded, waiting.State);

        // It is told when the shard has been gone through: the task may have ended by then.
        await TestNode.UntilAsync(() => node.Runtime.Incidents.Last(100).Any(static i => i.Kind == IncidentKind.Heal));
        var heal = node.Runtime.Incidents.Last(100).First(static i => i.Kind == IncidentKind.Heal);
        Assert.Contains("nothing was dispatched", heal.Reason, StringComparison.Ordinal);
        Assert.InRange(heal.Duration.TotalMilliseconds, StallMs, double.MaxValue);
        Assert.InRange(node.Statistic("incidents_heal"), 1, long.MaxValue);
    }

    [Fact]
    public async Task A_hand_over_that_nobody_followed_is_claimed_once()
    {
        using var node = new TestNode(Quick with { StallMs = StallMs });
        var echo = node.Resolve("echo");
        await node.Submit(echo, "a"u8).WaitAsync();
        node.Runtime.Faults.Arm(FaultPoint.HandOverLost);
        var endings = Enumerable.Range(0, 200).Select(_ => node.Submit(echo, "b"u8)).ToList();
        foreach (var ending in endings)
        {
            Assert.Equal(TaskState.Succeeded, (await ending.WaitAsync()).State);
            Assert.Equal(1, ending.Times);
        }

        node.Runtime.Faults.Disarm(FaultPoint.HandOverLost);
        Assert.Equal(201, node.Statistic("tasks_dispatched"));
    }

    [Fact]
    public async Task A_completion_thread_that_stands_still_is_told()
    {
        using var node = new TestNode(Quick);
        using var block = new Blocker();
        Assert.Null(node.Tasks.Submit(new TaskSubmission { Target = node.Resolve("noop"), Level = 32 }, block, 0, out _));
        await TestNode.UntilAsync(() => Told(node, "the completion thread"));
        block.Release();
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("noop")).WaitAsync()).State);
    }

    [Fact]
    public async Task A_supervisor_that_stands_still_is_told()
    {
        using var node = new TestNode(Quick);
        node.Runtime.Faults.Arm(FaultPoint.SupervisorStuck);
        await TestNode.UntilAsync(() => Told(node, "the supervisor thread"));
        node.Runtime.Faults.Disarm(FaultPoint.SupervisorStuck);
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.ResolveCommand(), command: ["/bin/true"]).WaitAsync()).State);
    }

    [Fact]
    public async Task Work_that_waits_for_a_reason_is_no_stall()
    {
        using var node = new TestNode(Quick with { MaxWorkersPerPool = 1 });
        var first = node.Submit(node.Resolve("until_cancelled"));
        var second = node.Submit(node.Resolve("noop"));
        await TestNode.UntilAsync(() => node.Runtime.Monitor.ListTasks(0, TaskState.Running, 10).Count == 1);
        using var looks = new PeriodicTimer(TimeSpan.FromMilliseconds(StallMs));
        for (var i = 0; i < 5; i++)
        {
            await looks.WaitForNextTickAsync();
        }

        Assert.Equal(0, node.Runtime.Incidents.CountOf(IncidentKind.Heal));
        Assert.Null(node.Tasks.Cancel(first.Id, 0));
        Assert.Equal(TaskState.Succeeded, (await second.WaitAsync()).State);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task A_worker_stopped_in_a_call_is_ended_and_its_task_says_why()
    {
        using var node = new TestNode(Quick);
        var call = node.Submit(node.Resolve("endless"));
        await TestNode.UntilAsync(() => node.Runtime.Monitor.ListTasks(0, TaskState.Running, 10).Count == 1);
        await StopAsync(node, static w => w.State == "busy");
        await call.WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (call.State, call.Cause.Type));
        Assert.Contains("stopped", call.Cause.Detail, StringComparison.Ordinal);
        Assert.Equal(1, node.Runtime.Incidents.CountOf(IncidentKind.WorkerUnresponsive));
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("echo"), "again"u8).WaitAsync()).State);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task A_worker_stopped_while_idle_loses_the_call_that_meets_it()
    {
        using var node = new TestNode(Quick with { MaxWorkersPerPool = 1 });
        await node.Submit(node.Resolve("noop")).WaitAsync();
        await StopAsync(node, static _ => true);
        var call = await node.Submit(node.Resolve("noop")).WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (call.State, call.Cause.Type));
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task A_worker_that_is_busy_or_waits_in_a_long_call_is_left_alone()
    {
        using var node = new TestNode(Quick);
        var busy = node.Submit(node.Resolve("endless"), timeoutMs: 4_000);
        var still = node.Submit(node.Resolve("doze"), "4000"u8, timeoutMs: 30_000);
        Assert.Equal((TaskState.TimedOut, CauseType.Timeout), ((await busy.WaitAsync()).State, busy.Cause.Type));
        Assert.Equal(TaskState.Succeeded, (await still.WaitAsync()).State);
        Assert.Equal(0, node.Runtime.Incidents.CountOf(IncidentKind.WorkerUnresponsive));
    }

    private static bool Told(TestNode node, string thread) => node.Runtime.Incidents.Last(100)
        .Any(i => i.Kind == IncidentKind.ThreadStalled && i.Reason.Contains(thread, StringComparison.Ordinal));

    /// <summary>Its process is told by the spawner, and may be known later than its first call: process 0 would be our own group.</summary>
    private static async Task StopAsync(TestNode node, Func<WorkerStatus, bool> chosen)
    {
        var process = 0;
        await TestNode.UntilAsync(() => (process = node.Runtime.Monitor.ListWorkers(0, 10).Where(chosen).Select(static w => w.ProcessId).SingleOrDefault()) > 0);
        using var kill = System.Diagnostics.Process.Start("/bin/sh", ["-c", $"kill -STOP {process}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>An observer that keeps the completion thread, which observers must not.</summary>
    private sealed class Blocker : ITaskObserver, IDisposable
    {
        private readonly ManualResetEventSlim _release = new();

        public void Release() => _release.Set();

        public void OnTaskEnded(ITaskView task, long token) => _release.Wait(TestNode.Patience);

        public void OnBatchEnd()
        {
        }

        public void Dispose()
        {
            _release.Set();
            _release.Dispose();
        }
    }
}
