using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Execution;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>What goes into a task and comes out of it is complete to the last byte.</summary>
[Trait("Promise", "TR3")]
public sealed class StreamTests
{
    [Fact]
    [Trait("Promise", "COM3")]
    public async Task Payload_of_64_MiB_goes_there_and_back()
    {
        using var node = new LiveNode();
        await node.PutAsync("good", Plugins.Good);
        var data = new byte[64 << 20];
        new Random(42).NextBytes(data);
        var echo = await node.FunctionAsync("good", "echo");
        var end = await node.CallAsync(echo, data, timeoutMs: 100_000);
        Assert.True(end.State == TaskState.Succeeded, end.ToString()[..Math.Min(200, end.ToString().Length)]);
        Assert.True(data.AsSpan().SequenceEqual(end.Output));
        var over = node.Tasks.Submit(new TaskSubmission { Target = echo, Data = new byte[(64 << 20) + 1], Level = 32 }, observer: null, 0, out _);
        Assert.Equal(ErrorCode.TooLarge, over?.Code);
    }

    [Fact]
    public async Task Both_streams_of_a_command_are_complete()
    {
        using var node = new LiveNode();
        const int lines = 1_250_000;
        var end = await node.ShellAsync($"seq -f %07.0f 1 {lines} & seq -f e%06.0f 1 {lines / 10} >&2; wait", timeoutMs: 100_000);
        Assert.Equal(TaskState.Succeeded, end.State);
        Assert.Equal(lines * 8, end.Stdout.Length);
        CheckNumbers(end.Stdout, 8, 0);
        Assert.Equal(lines / 10 * 8, end.Stderr.Length);
        CheckNumbers(end.Stderr, 8, 1);
        Assert.Equal(0, end.StdoutDropped);
    }

    [Fact]
    public async Task Output_over_its_bound_is_cut_and_the_cut_is_told()
    {
        using var node = new LiveNode(new RuntimeOptions { MaxStreamBytes = 100_000 });
        await node.PutAsync("good", Plugins.Good);
        var command = await node.ShellAsync("seq -f %07.0f 1 50000");
        Assert.Equal(100_000, command.Stdout.Length);
        Assert.Equal(300_000, command.StdoutDropped);
        CheckNumbers(command.Stdout, 8, 0);
        var call = await node.CallAsync(await node.FunctionAsync("good", "chatter"), "5000"u8);
        Assert.Equal(TaskState.Succeeded, call.State);
        Assert.Equal(100_000, call.Stdout.Length);
        Assert.True(call.StdoutDropped > 0);
    }

    /// <summary>The function returned only after it wrote: none of its lines may come after its end.</summary>
    [Fact]
    public async Task Printed_lines_of_a_call_are_complete()
    {
        using var node = new LiveNode();
        await node.PutAsync("good", Plugins.Good);
        var chatter = await node.FunctionAsync("good", "chatter");
        for (var round = 0; round < 20; round++)
        {
            var end = await node.CallAsync(chatter, "20000"u8);
            var lines = end.Out.TrimEnd('\n').Split('\n');
            Assert.Equal(20_000, lines.Length);
            for (var i = 0; i < lines.Length; i++)
            {
                Assert.StartsWith(string.Create(CultureInfo.InvariantCulture, $"line {i:D9} "), lines[i], StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task Stdin_environment_and_directory_arrive()
    {
        using var node = new LiveNode();
        var input = new byte[3_000_000];
        new Random(1).NextBytes(input);
        var counted = await node.ExecAsync(["/bin/cat"], input);
        Assert.True(input.AsSpan().SequenceEqual(counted.Stdout));
        var empty = await node.ExecAsync(["/usr/bin/wc", "-c"]);
        Assert.Equal("0", empty.Out.Trim());
        var placed = await node.ExecAsync(new CommandLine(["/bin/sh", "-c", "pwd; echo \"$NAME\"; echo \"$PATH\""], ["NAME=value with = and ' \" $"], "/usr/bin"));
        Assert.Equal("/usr/bin\nvalue with = and ' \" $\n", placed.Out[..(placed.Out.IndexOf('$', StringComparison.Ordinal) + 2)]);
        Assert.Equal("/tmp\n", (await node.ExecAsync(["/bin/pwd"])).Out);
        string[] odd = ["printf", "%s|", "", "two words", "ünï", "*"];
        Assert.Equal("|two words|ünï|*|", (await node.ExecAsync(odd)).Out);

        // A command that reads nothing of its input is no error.
        Assert.Equal(TaskState.Succeeded, (await node.ExecAsync(["/bin/true"], input)).State);
    }

    [Fact]
    public async Task Background_child_that_keeps_the_pipe_does_not_keep_the_task()
    {
        using var node = new LiveNode();
        var end = await node.ShellAsync("sleep 600 & echo done", timeoutMs: 100_000);
        Assert.Equal(TaskState.Succeeded, end.State);
        Assert.Equal("done\n", Encoding.UTF8.GetString(end.Stdout));
    }

    private static void CheckNumbers(byte[] text, int width, int prefix)
    {
        for (var i = 0; (i + 1) * width <= text.Length; i++)
        {
            var field = text.AsSpan(i * width, width);
            Assert.True(System.Buffers.Text.Utf8Parser.TryParse(field[prefix..^1], out int number, out _) && number == i + 1 && field[^1] == '\n', $"line {i + 1}");
        }
    }
}
