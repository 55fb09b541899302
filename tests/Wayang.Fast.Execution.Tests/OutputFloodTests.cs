using System.Diagnostics;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Commands;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Commands that write byte by byte or without end: how often the supervisor reads, and that nothing is lost on the way.</summary>
[Trait("Promise", "IM3")]
[Trait("Promise", "TR3")]
public sealed class OutputFloodTests
{
    /// <summary>
    /// Each letter is a write of its own. Reads are counted against the time that passed by our own clock, which the schedule bounds from above however
    /// slow the machine is.
    /// </summary>
    [Fact]
    public async Task Byte_by_byte_is_read_in_intervals_and_is_complete()
    {
        const int bytes = 200_000;
        using var node = new TestNode();
        var target = node.ResolveCommand();
        await node.Submit(target, command: ["/bin/true"]).WaitAsync();
        var before = node.Statistic("stream_reads");
        var begin = Stopwatch.StartNew();
        var end = await node.Submit(target, command: ["/bin/dd", "if=/dev/zero", "bs=1", $"count={bytes}"]).WaitAsync();
        var seconds = begin.Elapsed.TotalSeconds;
        Assert.Equal(TaskState.Succeeded, end.State);
        Assert.Equal(bytes, end.Stdout.Length);
        var most = (2 * LookSchedule.PromptBurst) + ((LookSchedule.PromptPerSecond + 2000) * seconds);
        Assert.InRange(node.Statistic("stream_reads") - before, 1, Math.Min(most, bytes / 10));
    }

    [Fact]
    public async Task What_is_in_the_pipe_at_the_end_is_read_to_the_last_byte()
    {
        using var node = new TestNode();
        var target = node.ResolveCommand();
        for (var round = 0; round < 10; round++)
        {
            var end = await node.Submit(target, command: ["/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; seq 500 9999; echo e >&2"]).WaitAsync();
            Assert.Equal(TaskState.Succeeded, end.State);
            Assert.Equal(string.Concat(Enumerable.Range(0, 10_000).Select(static i => $"{i}\n")), end.Stdout);
            Assert.Equal("e\n", end.Stderr);
        }
    }

    /// <summary>Many at once, so that all that may come at once is used up: then a quiet command beside them still ends, with what it wrote.</summary>
    [Fact]
    public async Task Beside_floods_a_command_has_its_output_and_its_end()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 16 });
        var target = node.ResolveCommand();
        var floods = Enumerable.Range(0, 6).Select(_ => node.Submit(target, command: ["/bin/sh", "-c", "yes & exec dd if=/dev/zero bs=1 status=none"], timeoutMs: 60_000)).ToArray();
        await TestNode.UntilAsync(() => node.Statistic("stream_reads") > 500);
        var end = await node.Submit(target, command: ["/bin/sh", "-c", "echo begun; sleep 0.1; echo done"]).WaitAsync();
        Assert.Equal("begun\ndone\n", end.Stdout);
        Assert.All(floods, static f => Assert.False(f.HasEnded));
        foreach (var flood in floods)
        {
            Assert.Null(node.Tasks.Cancel(flood.Id, 0));
        }

        foreach (var flood in floods)
        {
            Assert.Equal(TaskState.Cancelled, (await flood.WaitAsync()).State);
        }
    }
}
