using Google.Protobuf;
using Grpc.Core;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc.Wire;
using Xunit;
using TaskSpec = Wayang.Fast.Gateway.Grpc.Wire.TaskSpec;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>Operations over gRPC with a generated client: results, refusals with their details, streams, deadlines and who may call.</summary>
[Trait("Promise", "COM1")]
public sealed class GrpcTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(null)]
    [InlineData(GrpcFixture.Secret)]
    public async Task A_task_runs_and_its_result_comes_back(string? token)
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect(token);
        var result = await client.TaskRunAsync(GrpcFixture.Call("echo_later", "hello"));
        Assert.Equal(("succeeded", "exit", "hello", 300), (result.State, result.Cause.Type, result.Output.ToStringUtf8(), result.RunUs));
        Assert.True(result.Cause.HasCode && result.Cause.Code == 0 && !result.HasStdout);

        var command = await client.TaskRunAsync(new TaskSpec
        {
            Kind = "exec", Argv = { "true", "x" }, Env = { ["A"] = "b" }, Class = "urgent", Limits = new TaskLimits { Pids = 5 },
            Inputs = { new InputFile { Path = "a/b", Data = ByteString.CopyFromUtf8("in") } }, Secrets = { ["S"] = ByteString.CopyFromUtf8("hidden") },
        });
        Assert.True(command.HasStdout);
        var terms = fixture.Tasks.LastTerms!;
        Assert.Equal((5, "a/b", "S"), (terms.Limits!.Pids, terms.Inputs[0].Path, terms.Secrets[0].Name));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Tasks_are_submitted_looked_at_waited_for_and_cancelled()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect();
        var task = (await client.TaskSubmitAsync(GrpcFixture.Call("forever"))).Task;
        Assert.Equal("running", (await client.TaskGetAsync(new TaskReference { Task = task })).State);
        var waiting = client.TaskWaitAsync(new TaskWaitRequest { Task = task });
        Assert.Equal(
            (StatusCode.DeadlineExceeded, "WAIT_TIMEOUT", null),
            await GrpcFixture.RefusedAsync(() => client.TaskWaitAsync(new TaskWaitRequest { Task = task, TimeoutMs = 1 }).ResponseAsync));
        await client.TaskCancelAsync(new TaskReference { Task = task });
        Assert.Equal("cancelled", (await waiting.ResponseAsync.WaitAsync(s_patience)).State);

        var node = await client.NodeInfoAsync(new NodeInfoRequest());
        Assert.Equal((2, "call"), (node.Limits["slots"], node.Profiles["small"].Kinds[0]));
        Assert.Equal("c", (await client.ImagePutAsync(new ImagePutRequest { Kind = "c", Data = ByteString.CopyFromUtf8("x") })).Kind);
        Assert.Single((await client.ImageListAsync(new ImageListRequest())).Images);
    }

    [Fact]
    public async Task Many_are_submitted_by_a_stream_and_each_gets_its_answer()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        using var call = fixture.Connect(GrpcFixture.Secret).TaskSubmitMany();
        await call.RequestStream.WriteAsync(new TaskSubmitManyRequest { Tasks = { GrpcFixture.Call("echo"), GrpcFixture.Call("nothing") } });
        await call.RequestStream.WriteAsync(new TaskSubmitManyRequest { Tasks = { GrpcFixture.Call("echo") } });
        await call.RequestStream.CompleteAsync();
        var tasks = (await call.ResponseAsync.WaitAsync(s_patience)).Tasks;
        Assert.Equal(new bool[] { true, false, true }, tasks.Select(static t => t.HasTask));
        Assert.Equal(("not_found", "function"), (tasks[1].Error.Code, tasks[1].Error.Field));
    }

    [Fact]
    public async Task A_stream_is_followed_to_its_end_in_pieces()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect();
        var data = new string('z', 5_000);
        var task = (await client.TaskSubmitAsync(GrpcFixture.Call("echo", data))).Task;
        using var call = client.TaskFollow(new TaskOutputRequest { Task = task, MaxBytes = 1_024, Offset = 100 });
        var told = new List<byte>();
        await foreach (var piece in call.ResponseStream.ReadAllAsync().WithCancellation(TestContext.Current.CancellationToken))
        {
            Assert.Equal(100 + told.Count, piece.Offset);
            told.AddRange(piece.Data.ToByteArray());
        }

        Assert.Equal(data.Length - 100, told.Count);
        using var none = client.TaskFollow(new TaskOutputRequest { Task = "0000000000000000000000000A" });
        Assert.Equal("NOT_FOUND", (await GrpcFixture.RefusedAsync(async () => await none.ResponseStream.MoveNext(CancellationToken.None))).Reason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_gives_up_a_run_takes_the_task_along_and_who_gives_up_a_wait_does_not(bool byDeadline)
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect(GrpcFixture.Secret);
        using var cancellation = new CancellationTokenSource();
        DateTime? deadline = byDeadline ? DateTime.UtcNow.AddMilliseconds(300) : null;
        var run = client.TaskRunAsync(GrpcFixture.Call("forever"), deadline: deadline, cancellationToken: cancellation.Token);
        await Eventually.TrueAsync("the task runs", () => fixture.Tasks.WaiterCount == 1);
        await (byDeadline ? Task.CompletedTask : cancellation.CancelAsync());
        var ended = await GrpcFixture.RefusedAsync(() => run.ResponseAsync);
        Assert.Equal(byDeadline ? StatusCode.DeadlineExceeded : StatusCode.Cancelled, ended.Status);
        await Eventually.TrueAsync("the task was cancelled", () => fixture.Tasks.WaiterCount == 0);

        var task = (await client.TaskSubmitAsync(GrpcFixture.Call("forever"))).Task;
        var wait = client.TaskWaitAsync(new TaskWaitRequest { Task = task }, deadline: DateTime.UtcNow.AddMilliseconds(200));
        Assert.Equal(StatusCode.DeadlineExceeded, (await GrpcFixture.RefusedAsync(() => wait.ResponseAsync)).Status);
        await Eventually.TrueAsync("the wait was forgotten", () => fixture.Tasks.WaiterCount == 0);
        Assert.Equal("running", (await client.TaskGetAsync(new TaskReference { Task = task })).State);
    }

    [Fact]
    public async Task Refusals_say_which_field_and_which_code()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect();
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "kind"), await RefusedRunAsync(client, new TaskSpec()));
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "priority"), await RefusedRunAsync(client, With(static t => t.Priority = 64)));
        Assert.Equal((StatusCode.PermissionDenied, "PERMISSION_DENIED", "class"), await RefusedRunAsync(client, With(static t => t.Class = "system")));
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "limits.pids"), await RefusedRunAsync(client, With(static t => t.Limits = new TaskLimits { Pids = -1 })));
        Assert.Equal((StatusCode.NotFound, "NOT_FOUND", "function"), await RefusedRunAsync(client, GrpcFixture.Call("nothing")));
        Assert.Equal((StatusCode.FailedPrecondition, "UNSUPPORTED", null), await GrpcFixture.RefusedAsync(() => client.PoolListAsync(new PoolListRequest()).ResponseAsync));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Unknown_and_repeated_fields_are_refused_not_stepped_over()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var invoker = fixture.Invoke();
        Assert.Equal("INVALID_ARGUMENT", (await RefusedBytesAsync(invoker, [0xF8, 0x7F, 1])).Reason); // field 2047
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "kind"), await RefusedBytesAsync(invoker, [0x0A, 1, (byte)'a', 0x0A, 1, (byte)'b']));
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "kind"), await RefusedBytesAsync(invoker, [0x08, 1]));
        Assert.Equal("INVALID_ARGUMENT", (await RefusedBytesAsync(invoker, [0x0A, 200])).Reason); // cut
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task Nobody_comes_in_without_a_token_that_is_in_force_and_reaches_that_far()
    {
        await using var fixture = await GrpcFixture.StartAsync(new TokenStore(
        [
            ServerFixture.Token("wayang_reads", "reads", OperationScopes.Read),
            ServerFixture.Token("wayang_runs", "runs", OperationScopes.Submit),
            ServerFixture.Token("wayang_past", "past", OperationScopes.All, DateTimeOffset.UtcNow.AddSeconds(-1)),
        ]));
        (StatusCode, string, string?) stranger = (StatusCode.Unauthenticated, "UNAUTHENTICATED", null);
        Assert.Equal(stranger, await RefusedRunAsync(fixture.ConnectWithoutToken(), GrpcFixture.Call("echo")));
        Assert.Equal((stranger.Item1, stranger.Item2, "token"), await RefusedRunAsync(fixture.Connect("wrong"), GrpcFixture.Call("echo")));
        Assert.Equal((stranger.Item1, stranger.Item2, "token"), await RefusedRunAsync(fixture.Connect("wayang_past"), GrpcFixture.Call("echo")));
        Assert.Equal((StatusCode.PermissionDenied, "PERMISSION_DENIED", null), await RefusedRunAsync(fixture.Connect("wayang_reads"), GrpcFixture.Call("echo")));
        Assert.Equal(
            StatusCode.PermissionDenied,
            (await GrpcFixture.RefusedAsync(() => fixture.Connect("wayang_runs").ImagePutAsync(new ImagePutRequest { Kind = "c" }).ResponseAsync)).Status);
        Assert.Equal("succeeded", (await fixture.Connect("wayang_runs").TaskRunAsync(GrpcFixture.Call("echo"))).State);
        Assert.Equal("here", (await fixture.Connect("wayang_reads").NodeInfoAsync(new NodeInfoRequest())).Node);
    }

    [Fact]
    public async Task Health_and_reflection_answer_whoever_asks()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var health = new global::Grpc.Health.V1.Health.HealthClient(fixture.Invoke("no token"));
        var state = await health.CheckAsync(new global::Grpc.Health.V1.HealthCheckRequest { Service = "wayang.runtime.v1.Runtime" });
        Assert.Equal(global::Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving, state.Status);

        var reflection = new global::Grpc.Reflection.V1Alpha.ServerReflection.ServerReflectionClient(fixture.Invoke("no token"));
        using var call = reflection.ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new global::Grpc.Reflection.V1Alpha.ServerReflectionRequest { ListServices = "" });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Contains("wayang.runtime.v1.Runtime", call.ResponseStream.Current.ListServicesResponse.Service.Select(static s => s.Name), StringComparer.Ordinal);
        await call.RequestStream.CompleteAsync();
    }

    [Fact]
    public async Task A_payload_of_the_greatest_size_passes_and_a_larger_one_is_refused()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var client = fixture.Connect();
        var most = GrpcFixture.Call("echo", new string('m', OperationTable.MaxPayloadBytes));
        Assert.Equal(OperationTable.MaxPayloadBytes, (await client.TaskRunAsync(most)).Output.Length);
        most.Data = ByteString.CopyFrom(new byte[OperationTable.MaxPayloadBytes + 1]);
        Assert.Equal((StatusCode.InvalidArgument, "TOO_LARGE", "data"), await RefusedRunAsync(client, most));
        most.Data = ByteString.CopyFrom(new byte[OperationTable.MaxPayloadBytes + (1 << 20)]);
        Assert.Equal(StatusCode.ResourceExhausted, (await RefusedRunAsync(client, most)).Status);
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task What_a_caller_sends_counts_against_its_budget_while_it_comes_and_is_given_back()
    {
        await using var fixture = await GrpcFixture.StartAsync(mostBytes: 1 << 20);
        var client = fixture.Connect(GrpcFixture.Secret);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal((StatusCode.ResourceExhausted, "RESOURCE_EXHAUSTED", null), await RefusedRunAsync(client, GrpcFixture.Call("echo", new string('b', 4 << 20))));
            Assert.Equal("succeeded", (await client.TaskRunAsync(GrpcFixture.Call("echo", new string('s', 300_000)))).State);
        }

        using var many = client.TaskSubmitMany();
        for (var i = 0; i < 20; i++)
        {
            await many.RequestStream.WriteAsync(new TaskSubmitManyRequest { Tasks = { GrpcFixture.Call("echo", new string('m', 200_000)) } });
        }

        await many.RequestStream.CompleteAsync();
        Assert.Equal(20, (await many.ResponseAsync.WaitAsync(s_patience)).Tasks.Count(static t => t.HasTask));
    }

    private static TaskSpec With(Action<TaskSpec> change)
    {
        var task = GrpcFixture.Call("echo");
        change(task);
        return task;
    }

    private static Task<(StatusCode Status, string Reason, string? Field)> RefusedRunAsync(Runtime.RuntimeClient client, TaskSpec task) =>
        GrpcFixture.RefusedAsync(() => client.TaskRunAsync(task).ResponseAsync);

    private static Task<(StatusCode Status, string Reason, string? Field)> RefusedBytesAsync(CallInvoker invoker, byte[] message) =>
        GrpcFixture.RefusedAsync(() => invoker.AsyncUnaryCall(RawMethods.Of("TaskRun"), host: null, default, message).ResponseAsync);
}
