using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>The same lives through the front door: client, socket, gateway, runtime, sandboxed worker and back.</summary>
[Trait("Promise", "COM7")]
[Trait("Promise", "TR1")]
public sealed class SocketTests
{
    [Fact]
    public async Task Every_operation_does_what_it_says()
    {
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        var image = await client.PutImageAsync("c", Plugins.Good, "good").WaitAsync(LiveNode.Patience);
        Assert.Contains("echo", image.Functions);
        Assert.Equal(64, image.Image.Length);
        Assert.Single(await client.ListImagesAsync());
        var called = await client.RunCallAsync("good", "echo", "hello"u8.ToArray());
        Assert.Equal("hello", Encoding.UTF8.GetString(called.Output.Span));
        var run = await client.RunAsync(TaskSpec.Command("/bin/sh", "-c", "cat; echo oops >&2; exit 4") with { Stdin = "in"u8.ToArray(), Class = TaskClass.Urgent });
        Assert.Equal((TaskState.Failed, CauseType.Exit, 4), (run.State, run.Cause.Type, run.Cause.Value));
        Assert.Equal("in|oops\n", $"{Encoding.UTF8.GetString(run.Stdout.Span)}|{Encoding.UTF8.GetString(run.Stderr.Span)}");
        var many = await client.SubmitManyAsync([TaskSpec.Call("good", "noop"), TaskSpec.Call("good", "no_such"), TaskSpec.Command("/bin/true")]);
        Assert.Equal([true, false, true], many.Select(static o => o.Error is null));
        Assert.True((await client.WaitAsync(many[0].Id)).Succeeded);
        Assert.True((await client.WaitAsync(many[2].Id)).Succeeded);
        var loop = await client.SubmitAsync(TaskSpec.Call("good", "until_cancelled"));
        await client.CancelAsync(loop);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(loop)).State);
        var info = await client.GetAsync(run.Id);
        Assert.Equal((TaskKind.Exec, TaskClass.Urgent, 5L), (info.Kind, info.Class, info.StderrBytes));
        var piece = await client.ReadOutputAsync(run.Id, TaskStream.Stderr, 1);
        Assert.Equal("ops\n", Encoding.UTF8.GetString(piece.Data.Span));
        Assert.True(piece.Ended);
        Assert.True((await client.NodeInfoAsync()).Limits.Count > 0);
        Assert.True((await client.NodeStatsAsync())["tasks_succeeded"] >= 3);
        var missing = await Assert.ThrowsAsync<WayangException>(() => client.RunCallAsync("nobody", "echo"));
        Assert.Equal(Contracts.Errors.ErrorCode.NotFound, missing.Code);
    }

    [Fact]
    [Trait("Promise", "COM3")]
    public async Task Large_payload_crosses_socket_and_channel_both_ways()
    {
        await using var node = new SocketNode();
        await using var client = await node.ConnectAsync();
        await client.PutImageAsync("c", Plugins.Good, "good").WaitAsync(LiveNode.Patience);
        var data = new byte[60 << 20];
        new Random(3).NextBytes(data);
        var end = await client.RunCallAsync("good", "echo", data).WaitAsync(LiveNode.Patience);
        Assert.True(data.AsSpan().SequenceEqual(end.Output.Span));
    }

    [Fact]
    public async Task Pipelined_calls_of_several_clients_get_their_own_answers()
    {
        const int clients = 3;
        const int calls = 2_000;
        await using var node = new SocketNode();
        await using (var first = await node.ConnectAsync())
        {
            await first.PutImageAsync("c", Plugins.Good, "good").WaitAsync(LiveNode.Patience);
        }

        await Task.WhenAll(Enumerable.Range(0, clients).Select(async who =>
        {
            await using var client = await node.ConnectAsync();
            await Task.WhenAll(Enumerable.Range(0, calls).Select(async i =>
            {
                var data = Encoding.UTF8.GetBytes($"{who}:{i}:{new string('x', i % 300)}");
                var end = await client.RunCallAsync("good", "echo", data).WaitAsync(LiveNode.Patience);
                Assert.True(end.Succeeded && data.AsSpan().SequenceEqual(end.Output.Span));
            }));
        }));
    }

    [Fact]
    public async Task Client_that_leaves_keeps_neither_node_nor_others_from_working()
    {
        await using var node = new SocketNode();
        await using var stays = await node.ConnectAsync();
        await stays.PutImageAsync("c", Plugins.Good, "good").WaitAsync(LiveNode.Patience);
        TaskId task;
        await using (var leaves = await node.ConnectAsync())
        {
            task = await leaves.SubmitAsync(TaskSpec.Call("good", "until_cancelled"));
            _ = leaves.WaitAsync(task).ContinueWith(static t => t.Exception, TaskScheduler.Default);
        }

        Assert.True((await stays.RunCallAsync("good", "noop")).Succeeded);
        await stays.CancelAsync(task);
        Assert.Equal(TaskState.Cancelled, (await stays.WaitAsync(task)).State);
    }
}
