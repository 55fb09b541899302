using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Hostile;

/// <summary>Tasks that take all they can get: processors, memory, processes, log.</summary>
[Trait("Promise", "IM3")]
public sealed class GreedTests(ITestOutputHelper output)
{
    private const int Hostile = 1;
    private const int Innocent = 2;

    /// <summary>Two workers that publish without end take their turns, no more: everybody else has theirs.</summary>
    [Theory]
    [InlineData(0, "answers to nobody")]
    [InlineData(1, "log")]
    [Trait("Promise", "COM3")]
    public async Task Flooded_ring_leaves_the_others_their_turns(uint what, string name)
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var flood = await node.FunctionAsync("hostile", "flood_slots", Hostile);
        await LiveNode.UntilAsync(() => beside.Checked > 0, "ordinary calls run");
        var before = beside.Checked;
        var order = MutationTests.Order(1, 0, what);
        var ends = await Task.WhenAll(node.CallAsync(flood, order, timeoutMs: 2_000), node.CallAsync(flood, order, timeoutMs: 2_000));
        var during = beside.Checked - before;
        Assert.All(ends, static end => Assert.True(end.Cause.Type is CauseType.Timeout or CauseType.SandboxViolation, end.ToString()));
        Assert.All(ends, static end => Assert.True(end.Stdout.Length <= 16 << 20));
        Assert.True(during > 0);
        await beside.StopAsync();
        output.WriteLine($"{name}: {during} calls beside, {node.Statistic("stale_completions")} dropped answers, {ends.Sum(static e => e.StdoutDropped) >> 20} MiB of log dropped");
    }

    [Fact]
    public async Task Greedy_tasks_all_at_once_leave_the_others_running()
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        await node.PutAsync("good", Plugins.Good, Hostile);
        var endless = await node.FunctionAsync("good", "endless", Hostile);
        var eat = await node.FunctionAsync("hostile", "eat_memory", Hostile);
        var chatter = await node.FunctionAsync("good", "chatter", Hostile);
        await LiveNode.UntilAsync(() => beside.Checked > 0, "ordinary calls run");
        var before = beside.Checked;
        var loops = Enumerable.Range(0, 4).Select(_ => node.CallAsync(endless, timeoutMs: 3_000)).ToArray();
        var memory = node.CallAsync(eat, timeoutMs: 60_000);
        var log = node.CallAsync(chatter, "1000000"u8, timeoutMs: 60_000);
        var bomb = node.ShellAsync("bomb() { bomb | bomb & }; bomb; exec sleep 600", timeoutMs: 3_000);
        Assert.All(await Task.WhenAll(loops), static end => Assert.Equal(CauseType.Timeout, end.Cause.Type));
        Assert.Equal(node.HasMemoryGroup ? CauseType.OutOfMemory : CauseType.Exception, (await memory).Cause.Type);
        Assert.Equal(TaskState.Succeeded, (await log).State);
        Assert.NotEqual(TaskState.Succeeded, (await bomb).State);
        var during = beside.Checked - before;
        Assert.True(during > 0);
        await beside.StopAsync();
        output.WriteLine($"{during} calls beside");
    }
}
