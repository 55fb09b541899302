using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Hostile;

/// <summary>What a worker does to its doorbell and to its mappings does not matter to the daemon.</summary>
[Trait("Promise", "IM3")]
[Trait("Promise", "COM3")]
public sealed class DescriptorTests(ITestOutputHelper output)
{
    private const int Hostile = 1;
    private const int Innocent = 2;
    private const int Eperm = 1;

    [Theory]
    [InlineData("compute")]
    [InlineData("standard")]
    public async Task Attempts_on_doorbell_and_files_change_nothing(string profile)
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var attempt = await node.FunctionAsync("hostile", "descriptors", Hostile, profile);
        for (var i = 0; i < 50; i++)
        {
            var end = await node.CallAsync(attempt);
            Assert.True(end.State == TaskState.Succeeded, end.ToString());
            var results = Parse(end.Text);
            if (i == 0)
            {
                output.WriteLine($"{profile}: {end.Text.ReplaceLineEndings(", ")}");
            }

            // The daemon's file stays the daemon's, and no doorbell can be cut, under every profile.
            Assert.NotEqual(0, results["write_d"]);
            Assert.NotEqual(0, results["punch_d"]);
            Assert.NotEqual(0, results["truncate_doorbell"]);
            if (profile == "compute")
            {
                Assert.Equal(Eperm, results["clear_nonblock"]);
                Assert.Equal(Eperm, results["read_doorbell"]);
                Assert.Equal(Eperm, results["open_self"]);
                Assert.Equal(Eperm, results["new_memory_file"]);
            }
        }

        Assert.True(await beside.StopAsync() > 0);
    }

    /// <summary>A worker that takes the mapping away, or reaches beyond the sealed file, faults by itself.</summary>
    [Theory]
    [InlineData("move_w", 11)]
    [InlineData("past_end", 7)]
    public async Task Worker_that_moves_its_mapping_faults_alone(string function, int signal)
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var deed = await node.FunctionAsync("hostile", function, Hostile);
        for (var i = 0; i < 20; i++)
        {
            var end = await node.CallAsync(deed);
            Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.Signal } && end.Cause.Value == signal, end.ToString());
        }

        Assert.True(await beside.StopAsync() > 0);
    }

    /// <summary>O_NONBLOCK cleared and the counter full: a daemon that read or wrote this eventfd would hang.</summary>
    [Fact]
    public async Task Blocked_doorbell_hangs_only_its_own_call()
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var refused = await node.CallAsync(await node.FunctionAsync("hostile", "block_doorbell", Hostile));
        Assert.Equal(CauseType.Exception, refused.Cause.Type);
        var before = beside.Checked;
        var end = await node.CallAsync(await node.FunctionAsync("hostile", "block_doorbell", Hostile, "standard"), timeoutMs: 500);
        Assert.True(end is { State: TaskState.TimedOut, Cause.Type: CauseType.Timeout }, end.ToString());
        await LiveNode.UntilAsync(() => beside.Checked > before + 10, "calls beside a blocked doorbell");
        Assert.True(await beside.StopAsync() > 0);
    }

    /// <summary>Either its rate is over the bound, or (on a slow machine) its time is over.</summary>
    [Fact]
    public async Task Flooded_doorbell_ends_its_worker_and_slows_nobody_to_a_halt()
    {
        using var node = new LiveNode();
        var beside = await CheckedLoad.StartAsync(node, Innocent);
        await node.PutAsync("hostile", Plugins.Hostile, Hostile);
        var flood = await node.FunctionAsync("hostile", "flood", Hostile);
        var before = beside.Checked;
        var ends = await Task.WhenAll(node.CallAsync(flood, timeoutMs: 5_000), node.CallAsync(flood, timeoutMs: 5_000));
        Assert.All(ends, end => Assert.True(end.Cause.Type is CauseType.SandboxViolation or CauseType.Timeout, end.ToString()));
        output.WriteLine(string.Join(", ", ends.Select(static e => e.Cause.ToString())) + $", {beside.Checked - before} calls beside");
        Assert.True(beside.Checked > before);
        Assert.True(await beside.StopAsync() > 0);
    }

    internal static Dictionary<string, int> Parse(string lines) => lines.TrimEnd('\n').Split('\n')
        .Select(static l => l.Split(' ')).ToDictionary(static p => p[0], static p => int.Parse(p[1], System.Globalization.CultureInfo.InvariantCulture));
}
