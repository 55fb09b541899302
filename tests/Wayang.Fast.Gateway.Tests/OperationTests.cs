using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>Every operation through the client and a real socket.</summary>
[Trait("Promise", "COM3")]
public sealed class OperationTests : IAsyncLifetime
{
    private readonly ServerFixture _fixture = new();
    private WayangClient _client = null!;

    public async ValueTask InitializeAsync() => _client = await _fixture.ConnectAsync();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _fixture.DisposeAsync();
    }

    [Fact]
    public async Task A_call_answers_with_its_output_and_cause()
    {
        var result = await _client.RunCallAsync("demo", "echo", "hello"u8.ToArray());
        Assert.True(result.Succeeded);
        Assert.Equal("hello"u8.ToArray(), result.Output.ToArray());
        Assert.Equal(new TaskCause(CauseType.Exit), result.Cause);
        Assert.Equal(300, result.RunMicroseconds);
    }

    [Theory]
    [InlineData("echo")]
    [InlineData("echo_later")]
    public async Task Many_calls_share_a_connection(string function)
    {
        var payloads = Enumerable.Range(0, 2000).Select(static i => Encoding.ASCII.GetBytes($"payload {i}")).ToArray();
        var results = await Task.WhenAll(payloads.Select(payload => _client.RunCallAsync("demo", function, payload)));
        Assert.All(results.Zip(payloads), static pair => Assert.Equal(pair.Second, pair.First.Output.ToArray()));
        Assert.Equal(1, _fixture.Server.ConnectionCount);
        Assert.Equal(1, _fixture.Tasks.Resolutions);
    }

    [Fact]
    public async Task A_payload_of_64_MiB_goes_through_and_its_memory_comes_back()
    {
        var data = new byte[OperationTable.MaxPayloadBytes];
        new Random(3).NextBytes(data);
        var result = await _client.RunCallAsync("demo", "echo", data);
        Assert.True(result.Output.Span.SequenceEqual(data));
        await _client.RunCallAsync("demo", "echo");
        Assert.Equal(0, _fixture.Server.BufferedBytes);
    }

    [Fact]
    public async Task A_command_carries_its_arguments_environment_and_level()
    {
        CommandLine seen = null!;
        byte level = 0;
        uint timeout = 0;
        _fixture.Tasks.OnSubmit = (command, at, limit) => (seen, level, timeout) = (command!, at, limit);
        var spec = TaskSpec.Command("echo", "ä") with
        {
            Environment = new Dictionary<string, string> { ["A"] = "b=c" },
            WorkingDirectory = "/tmp",
            Class = TaskClass.Urgent,
            Priority = 41,
            Timeout = TimeSpan.FromSeconds(1.5),
            Stdin = "in"u8.ToArray(),
        };
        var result = await _client.RunAsync(spec);
        Assert.Equal(["echo", "ä"], seen.Arguments);
        Assert.Equal(["A=b=c"], seen.Environment);
        Assert.Equal("/tmp", seen.WorkingDirectory);
        Assert.Equal(41, level);
        Assert.Equal(1500u, timeout);
        Assert.Equal("in"u8.ToArray(), result.Stdout.ToArray());
    }

    [Fact]
    public async Task Submit_wait_get_and_output_agree()
    {
        var id = await _client.SubmitAsync(TaskSpec.Call("demo", "echo", "abc"u8.ToArray()));
        var result = await _client.WaitAsync(id, TimeSpan.FromSeconds(5));
        Assert.Equal(id, result.Id);
        var info = await _client.GetAsync(id);
        Assert.Equal(TaskState.Succeeded, info.State);
        Assert.Equal(TaskClass.Normal, info.Class);
        Assert.Equal(DateTimeOffset.UnixEpoch.AddSeconds(1), info.Ended);
        var piece = await _client.ReadOutputAsync(id, TaskStream.Output, offset: 1);
        Assert.Equal("bc"u8.ToArray(), piece.Data.ToArray());
        Assert.True(piece.Ended);
    }

    [Fact]
    public async Task Submit_many_answers_each_task_by_itself()
    {
        var outcomes = await _client.SubmitManyAsync(
            [TaskSpec.Call("demo", "echo"), TaskSpec.Call("demo", "missing"), TaskSpec.Call("demo", "echo") with { Class = TaskClass.System }]);
        Assert.Null(outcomes[0].Error);
        Assert.Equal(ErrorCode.NotFound, outcomes[1].Error!.Code);
        Assert.Equal(ErrorCode.PermissionDenied, outcomes[2].Error!.Code);
    }

    [Fact]
    public async Task Submit_many_takes_5000()
    {
        var outcomes = await _client.SubmitManyAsync([.. Enumerable.Repeat(TaskSpec.Call("demo", "echo"), 5000)]);
        Assert.Equal(5000, outcomes.Select(static outcome => outcome.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_wait_gives_up_in_time_and_forgets()
    {
        var id = await _client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        var failure = await Assert.ThrowsAsync<WayangException>(() => _client.WaitAsync(id, TimeSpan.FromMilliseconds(20)));
        Assert.Equal(ErrorCode.WaitTimeout, failure.Code);
        Assert.Equal(0, _fixture.Tasks.WaiterCount);
    }

    [Fact]
    public async Task Cancel_ends_a_wait()
    {
        var id = await _client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        var waiting = _client.WaitAsync(id);
        await _client.CancelAsync(id);
        Assert.Equal(CauseType.Cancelled, (await waiting).Cause.Type);
    }

    [Fact]
    public async Task A_cancelled_caller_may_take_its_task_along()
    {
        using var source = new CancellationTokenSource();
        var submitted = new TaskCompletionSource();
        _fixture.Tasks.OnSubmit = (_, _, _) => submitted.TrySetResult();
        var running = _client.RunAsync(TaskSpec.Call("demo", "forever"), OnAbandon.CancelTask, source.Token);
        await submitted.Task;
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.True((await _client.RunCallAsync("demo", "echo")).Succeeded);
    }

    [Fact]
    public async Task Images_are_stored_by_content_and_listed()
    {
        var put = await _client.PutImageAsync("c", new byte[100_000], "mine");
        var listed = Assert.Single(await _client.ListImagesAsync());
        Assert.Equal(put.Image, listed.Image);
        Assert.Equal("mine", listed.Name);
        Assert.Equal(100_000, listed.Bytes);
        Assert.Contains("echo", listed.Functions);
        var failure = await Assert.ThrowsAsync<WayangException>(() => _client.PutImageAsync("c", new byte[1], "a b"));
        Assert.Equal("name", failure.Field);
    }

    [Fact]
    public async Task The_node_describes_itself()
    {
        var node = await _client.NodeInfoAsync();
        Assert.Equal("here", node.Node);
        Assert.Equal(2, node.Limits["slots"]);
        var profile = Assert.Single(node.Profiles);
        Assert.Equal(("small", true, true), (profile.Name, profile.Files, profile.OwnRoot));
        Assert.Equal(["call", "exec"], profile.Kinds);
        Assert.Contains("tasks", (await _client.NodeStatsAsync()).Keys);
    }

    [Fact]
    public async Task An_unknown_task_is_not_found()
    {
        var failure = await Assert.ThrowsAsync<WayangException>(() => _client.GetAsync(TaskId.Create(1, 2, 3, 4)));
        Assert.Equal(ErrorCode.NotFound, failure.Code);
        Assert.Equal("task", failure.Field);
    }
}
