using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Thousands of tasks of both kinds with cancels, timeouts, crashes and hostile ones at random: one end each.</summary>
[Trait("Promise", "TR1")]
public sealed class ExactlyOnceTests(ITestOutputHelper output)
{
    private const int Calls = 6_000;
    private const int Commands = 300;

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
