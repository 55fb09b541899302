using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Thousands of tasks of both kinds with cancels, timeouts, crashes and hostile ones at random: one end each.</summary>
[Trait("Promise", "TR4")]
public sealed class ExactlyOnceTests(ITestOutputHelper output)
{
    private const int Calls = 6_000;
    private const int Commands = 300;

    /// <summary>Queued, running, deaf and answering ones: the runtime's stop ends them all, before it returns.</summary>
    [Fact]
    public async Task Stop_ends_everything_once()
    {
        var waiters = new List<EndWaiter>();
        using (var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 3 }))
        {
            await node.PutAsync("good", Plugins.Good);
            CallTarget[] targets = [await node.FunctionAsync("good", "echo"), await node.FunctionAsync("good", "count_calls", reuse: WorkerReuse.Never)];
            var endless = await node.FunctionAsync("good", "endless");
            for (var i = 0; i < 2_000; i++)
            {
                EndWaiter waiter;
                if (i % 100 == 99)
                {
                    node.Begin(node.Command(), [], out waiter, 0, LiveNode.Normal, new CommandLine(["/bin/sleep", "600"], [], WorkingDirectory: null));
                }
                else
                {
                    node.Begin(i % 500 == 250 ? endless : targets[i % 2], [], out waiter, level: (byte)(i % 56));
                }

                waiters.Add(waiter);
            }

            await LiveNode.UntilAsync(() => waiters.Count(static w => w.Told > 0) > 300, "the stop comes in the middle");
        }

        Assert.All(waiters, static w => Assert.Equal(1, w.Told));
        var ends = await Task.WhenAll(waiters.Select(static w => w.Ended));
        Assert.Contains(ends, static e => e.Cause.Type == CauseType.Shutdown);
        Assert.All(ends, static e => Assert.True(e.Cause.Type is CauseType.Shutdown || e.State == TaskState.Succeeded, e.ToString()));
        output.WriteLine($"{ends.Count(static e => e.Cause.Type == CauseType.Shutdown)} of {ends.Length} by the stop");
    }

    [Fact]
    public async Task Every_task_ends_exactly_once()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var node = new LiveNode(new RuntimeOptions { MaxWorkersPerPool = 6 });
        await node.PutAsync("good", Plugins.Good);
        await node.PutAsync("hostile", Plugins.Hostile);
        CallTarget[] ordinary = [await node.FunctionAsync("good", "echo"), await node.FunctionAsync("good", "count_calls")];
        CallTarget[] odd =
        [
            await node.FunctionAsync("good", "crash"), await node.FunctionAsync("good", "endless"), await node.FunctionAsync("good", "until_cancelled"),
            await node.FunctionAsync("good", "abort"), await node.FunctionAsync("hostile", "exit_with"),
        ];
        var waiters = new List<(TaskId Id, EndWaiter Waiter, bool MustSucceed)>();
        for (var i = 0; i < Calls + Commands; i++)
        {
            var data = new byte[random.Next(4) == 0 ? random.Next(100_000) : random.Next(49)];
            EndWaiter waiter;
            TaskId id;
            var strange = random.Next(40) == 0;
            if (i % (Calls / Commands) == 0)
            {
                string script = random.Next(3) switch { 0 => "sleep 600", 1 => "exit 3", _ => "cat" };
                id = node.Begin(node.Command(), data, out waiter, script == "sleep 600" ? 50u : 60_000u, LiveNode.Normal, new CommandLine(["/bin/sh", "-c", script], [], WorkingDirectory: null));
                strange |= script != "cat";
            }
            else if (strange)
            {
                id = node.Begin(odd[random.Next(odd.Length)], [], out waiter, timeoutMs: (uint)random.Next(1, 40), level: (byte)random.Next(56));
            }
            else
            {
                id = node.Begin(ordinary[random.Next(2)], data, out waiter, timeoutMs: 60_000, level: (byte)random.Next(56));
            }

            var cancelled = random.Next(15) == 0;
            if (cancelled)
            {
                node.Cancel(id);
            }

            waiters.Add((id, waiter, !strange && !cancelled));
        }

        var ends = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (id, waiter, mustSucceed) in waiters)
        {
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.Equal(id, end.Id);
            Assert.True(!mustSucceed || end.State == TaskState.Succeeded, $"{id}: {end}");
            Assert.True(end.State >= TaskState.Succeeded && end.Cause.Type != CauseType.None, end.ToString());
            var key = $"{end.State}/{end.Cause.Type}";
            ends[key] = ends.GetValueOrDefault(key) + 1;
        }

        // The node's own counters agree, and nothing was told twice.
        Assert.All(waiters, static w => Assert.Equal(1, w.Waiter.Told));
        var told = node.Tasks.ReadStatistics().Values.Where(static v => v.Key is "tasks_succeeded" or "tasks_failed" or "tasks_cancelled" or "tasks_timedout").Sum(static v => v.Value);
        Assert.Equal(Calls + Commands, told);
        output.WriteLine(string.Join(", ", ends.Select(static e => $"{e.Key} {e.Value}")));
    }
}
