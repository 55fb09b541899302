using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>A call is handed to another node in the middle, and goes on there; at its home nothing of that is seen but where it is.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class HandoverTests
{
    private const int Bound = 300_000;

    // A second or so.
    private const long Rounds = 150_000_000;

    [Fact(Timeout = Bound)]
    public async Task A_call_goes_on_at_another_node_and_ends_at_home_as_if_nothing_had_been()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds));
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds);
        var moves = await client.MigrateAsync(id, MovingNodes.Host, TestContext.Current.CancellationToken);
        Assert.Equal((MovingNodes.Host, 1), (moves.Node, moves.Times));
        Assert.True(moves.Bytes > 256 << 10 && moves.Pause > TimeSpan.Zero, moves.ToString());

        // It is there, and here it can be asked for.
        await using var there = await nodes.ConnectAsync(MovingNodes.Host);
        Assert.Equal(MovingNodes.Home, (await there.GetAsync(id)).Life?.Home);
        Assert.Contains("\"ahead\":true", await MovingNodes.ContinuedAsync(there, id), StringComparison.Ordinal); // its worker stood ready
        var info = await client.GetAsync(id);
        Assert.Equal((TaskState.Running, MovingNodes.Host), (info.State, info.Life?.Moves?.Node));
        Assert.Contains("goes on at node 'beta'", (await client.ExplainAsync(id)).Text, StringComparison.Ordinal);
        var twice = await Assert.ThrowsAsync<WayangException>(() => client.MigrateAsync(id, MovingNodes.Host));
        Assert.Equal((ErrorCode.Conflict, "to"), (twice.Code, twice.Field));
        var result = await client.WaitAsync(id);
        Assert.Equal((TaskState.Succeeded, Convert.ToHexString(wanted.Output.Span)), (result.State, Convert.ToHexString(result.Output.Span)));
        await Eventually.TrueAsync("no file is left", () => nodes.FilesOf(MovingNodes.Home).Length + nodes.FilesOf(MovingNodes.Host).Length == 0);
    }

    [Fact(Timeout = Bound)]
    public async Task A_call_comes_home_when_it_is_called_back_and_its_log_is_whole()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        const long Steps = 60_000_000;
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "drift", Steps));
        var id = await MovingNodes.BeginAsync(client, "drift", Steps);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        var back = await MovingNodes.MoveAsync(client, id, null);
        Assert.True(back is { Node: null, Times: 2 }, back?.ToString());
        Assert.Contains("\"ahead\":true", await MovingNodes.ContinuedAsync(client, id), StringComparison.Ordinal);
        var result = await client.WaitAsync(id);
        Assert.Equal((TaskState.Succeeded, Convert.ToHexString(wanted.Output.Span)), (result.State, Convert.ToHexString(result.Output.Span)));
        var log = await client.ReadOutputAsync(id, TaskStream.Log, 0);
        Assert.Equal(Steps / 1_000_000, System.Text.Encoding.UTF8.GetString(log.Data.Span).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact(Timeout = Bound)]
    public async Task What_cannot_move_is_refused_by_name_and_goes_on_where_it_is()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds);
        await RefusedAsync(client, id, "gamma", ErrorCode.NotFound, "no peer 'gamma'");
        await RefusedAsync(client, id, MovingNodes.Home, ErrorCode.Conflict, "at home already");
        var command = await client.SubmitAsync(TaskSpec.Command("/bin/sleep", "5"));
        await RefusedAsync(client, command, MovingNodes.Host, ErrorCode.Unsupported, "a command");
        await client.CancelAsync(command);

        var plugin = Path.Combine(Path.GetDirectoryName(Installation.SlowPlugin)!, "slow_plugin.so");
        var known = await client.PutImageAsync("c", await File.ReadAllBytesAsync(plugin), "only-here");
        var alone = await client.SubmitAsync(TaskSpec.Call("only-here", known.Functions[0], "5000000 x"u8.ToArray()));
        await Eventually.ValueAsync("it runs", async () => (await client.GetAsync(alone)).State == TaskState.Running ? "" : null);
        await RefusedAsync(client, alone, MovingNodes.Host, ErrorCode.NotFound, "no image");
        Signals.Send("STOP", [nodes[MovingNodes.Host].Daemon]);
        await RefusedAsync(client, id, MovingNodes.Host, ErrorCode.Unavailable, "node 'beta'");
        Signals.Send("CONT", [nodes[MovingNodes.Host].Daemon]);
        Assert.Equal(TaskState.Succeeded, (await client.WaitAsync(id)).State);
    }

    [Fact(Timeout = Bound)]
    public async Task A_cancel_reaches_the_call_at_the_other_node()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds * 100);
        Assert.NotNull(await MovingNodes.MoveAsync(client, id, MovingNodes.Host));
        await client.CancelAsync(id);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(id)).State);
        await Eventually.TrueAsync("nothing of it runs there", () => nodes[MovingNodes.Host].Workers().Count == 0 || nodes.FilesOf(MovingNodes.Host).Length == 0);
        var events = await client.ListEventsAsync(new EventQuery { Type = "wayang.task.handover" });
        Assert.Contains(events.Events, static e => string.Equals(e.Type, "wayang.task.handover.begun", StringComparison.Ordinal));
    }

    /// <summary>The natural victim: its slot is an urgent task's, and elsewhere there is one for it. The urgent one never ends by itself, so that here it would not go on.</summary>
    [Fact(Timeout = Bound)]
    public async Task A_call_that_was_frozen_for_an_urgent_one_goes_on_at_another_node()
    {
        await using var nodes = await MovingNodes.StartAsync(ofHome: "limits: {concurrent_tasks: 1}\n");
        await using var client = await nodes.ConnectAsync();
        Assert.SkipUnless((await client.NodeInfoAsync()).Features.Contains("Freezer"), "this host gives no group that freezes: 'wayang doctor' says why");
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds));
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds, taskClass: TaskClass.Batch);
        var urgent = await MovingNodes.BeginAsync(client, "chain", Rounds * 1_000, taskClass: TaskClass.Urgent);
        await Eventually.ValueAsync("it is frozen", async () => (await client.GetAsync(id)).State == TaskState.Frozen ? "" : null);
        var moves = await client.MigrateAsync(id, MovingNodes.Host);
        Assert.Equal((MovingNodes.Host, 1), (moves.Node, moves.Times));
        var result = await client.WaitAsync(id);
        Assert.Equal((TaskState.Succeeded, Convert.ToHexString(wanted.Output.Span)), (result.State, Convert.ToHexString(result.Output.Span)));
        Assert.Equal(TaskState.Running, (await client.GetAsync(urgent)).State);
        await client.CancelAsync(urgent);
        await client.WaitAsync(urgent);
        await Eventually.ValueAsync("every slot is given back, once", async () => (await client.NodeStatsAsync())["slots_in_use"] == 0 ? "" : null);
        await Eventually.TrueAsync("no file is left", () => nodes.FilesOf(MovingNodes.Home).Length + nodes.FilesOf(MovingNodes.Host).Length == 0);
    }

    /// <summary>Who wrote it down said that it waits: it goes on where it is sent, and waits as before where nobody takes it.</summary>
    [Fact(Timeout = Bound)]
    public async Task A_call_that_stands_in_a_file_goes_on_at_another_node_and_stays_in_it_when_that_fails()
    {
        await using var nodes = await MovingNodes.StartAsync();
        await using var client = await nodes.ConnectAsync();
        var wanted = await client.WaitAsync(await MovingNodes.BeginAsync(client, "chain", Rounds));
        var id = await MovingNodes.BeginAsync(client, "chain", Rounds);
        await client.CheckpointAsync(id);
        Signals.Send("STOP", [nodes[MovingNodes.Host].Daemon]);
        await RefusedAsync(client, id, MovingNodes.Host, ErrorCode.Unavailable, "node 'beta'");
        Signals.Send("CONT", [nodes[MovingNodes.Host].Daemon]);
        var info = await client.GetAsync(id);
        Assert.Equal((TaskState.Queued, true), (info.State, info.Life?.Paused));
        await nodes.KnowEachOtherAsync();
        Assert.Equal(MovingNodes.Host, (await client.MigrateAsync(id, MovingNodes.Host)).Node);
        Assert.Equal(Convert.ToHexString(wanted.Output.Span), Convert.ToHexString((await client.WaitAsync(id)).Output.Span));
    }

    private static async Task RefusedAsync(WayangClient client, TaskId id, string node, ErrorCode code, string words)
    {
        var refused = await Assert.ThrowsAsync<WayangException>(() => client.MigrateAsync(id, node));
        Assert.True(refused.Code == code && refused.Message.Contains(words, StringComparison.Ordinal), $"{refused.Code}: {refused.Message}");
    }
}
