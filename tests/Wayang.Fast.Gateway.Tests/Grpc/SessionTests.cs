using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc.Wire;
using Xunit;
using TaskSpec = Wayang.Fast.Gateway.Grpc.Wire.TaskSpec;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>Sessions of gRPC: tasks in and ends out on one stream, under the caller's numbers, within a window, whatever one of them is refused for.</summary>
[Trait("Promise", "COM1")]
public sealed class SessionTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(null)]
    [InlineData(GrpcFixture.Secret)]
    public async Task Each_submission_gets_its_end_under_its_number_and_the_stream_ends_with_the_last(string? token)
    {
        await using var fixture = await GrpcFixture.StartAsync();
        using var session = await Session.OpenAsync(fixture.Connect(token));
        Assert.Equal(1024, session.Window);
        for (var i = 0; i < 100; i++)
        {
            await session.SubmitAsync(i, GrpcFixture.Call(i % 2 == 0 ? "echo_later" : "echo", $"data {i}"), acknowledge: i < 10);
        }

        await session.CloseAsync();
        var told = await session.ReadToEndAsync();
        var ends = told.Where(static r => r.Ended is not null).ToDictionary(static r => r.Number, static r => r.Ended);
        Assert.Equal(100, ends.Count);
        Assert.All(ends, static end => Assert.Equal(("succeeded", $"data {end.Key}"), (end.Value.State, end.Value.Output.ToStringUtf8())));
        var acknowledged = told.Where(static r => r.HasTask).ToList();
        Assert.Equal(Enumerable.Range(0, 10).Select(static i => (long)i), acknowledged.Select(static r => r.Number).Order());
        Assert.All(acknowledged, taken =>
        {
            Assert.Equal(ends[taken.Number].Task, taken.Task);
            Assert.True(told.IndexOf(taken) < told.FindIndex(r => r.Number == taken.Number && r.Ended is not null), "the end was told before the task was acknowledged");
        });
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task A_refusal_ends_its_number_alone()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        using var session = await Session.OpenAsync(fixture.Connect());
        await session.SubmitAsync(1, GrpcFixture.Call("nothing"));
        Assert.Equal((1, "not_found", "function"), await session.RefusedAsync());
        await session.SubmitAsync(1, new TaskSpec { Kind = "call", Image = "demo", Function = "echo", Priority = 99 });
        Assert.Equal((1, "invalid_argument", "priority"), await session.RefusedAsync());
        await session.SendAsync(new SessionRequest { Number = 2 });
        Assert.Equal((2, "invalid_argument", "submit"), await session.RefusedAsync());
        await session.SendAsync(new SessionRequest { Number = 3, Submit = GrpcFixture.Call("echo"), Cancel = true });
        Assert.Equal((3, "invalid_argument", "submit"), await session.RefusedAsync());
        await session.SubmitAsync(4, GrpcFixture.Call("refuse_later"));
        Assert.Equal((4, "unavailable", ""), await session.RefusedAsync());

        await session.SubmitAsync(5, GrpcFixture.Call("forever"), acknowledge: true);
        Assert.True((await session.NextAsync()).HasTask);
        await session.SubmitAsync(5, GrpcFixture.Call("echo"));
        Assert.Equal((5, "conflict", "number"), await session.RefusedAsync());
        await session.SendAsync(new SessionRequest { Number = 77, Cancel = true }); // of no task: nothing is told of it
        await session.SendAsync(new SessionRequest { Number = 5, Cancel = true });
        var cancelled = await session.NextAsync();
        Assert.Equal((5, "cancelled"), (cancelled.Number, cancelled.Ended.State));
        await session.SubmitAsync(5, GrpcFixture.Call("echo", "again"));
        Assert.Equal("again", (await session.NextAsync()).Ended.Output.ToStringUtf8());
        await session.CloseAsync();
        Assert.Empty(await session.ReadToEndAsync());
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task A_field_that_is_unknown_inside_of_a_task_ends_its_number_and_one_outside_the_session()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        using var call = fixture.Invoke().AsyncDuplexStreamingCall(RawMethods.Of("TaskSession", MethodType.DuplexStreaming), host: null, default);
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        await call.RequestStream.WriteAsync([0x08, 7, 0x12, 3, 0xF8, 0x7F, 1]); // number 7, submit {field 2047}
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        var told = SessionReply.Parser.ParseFrom(call.ResponseStream.Current);
        Assert.Equal((7, "invalid_argument"), (told.Number, told.Refused.Code));
        await call.RequestStream.WriteAsync([0x08, 8, 0xF8, 0x7F, 1]);
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", null), await GrpcFixture.RefusedAsync(async () => await call.ResponseStream.MoveNext(CancellationToken.None)));

        using var nameless = await Session.OpenAsync(fixture.Connect());
        await nameless.SendAsync(new SessionRequest { Submit = GrpcFixture.Call("echo") });
        Assert.Equal((StatusCode.InvalidArgument, "INVALID_ARGUMENT", "number"), await GrpcFixture.RefusedAsync(nameless.ReadToEndAsync));
    }

    [Fact]
    public async Task More_than_the_window_is_refused_and_a_place_is_free_when_an_end_was_told()
    {
        await using var fixture = await GrpcFixture.StartAsync(configure: static options => options with { SessionWindow = 4 });
        using var session = await Session.OpenAsync(fixture.Connect());
        Assert.Equal(4, session.Window);
        for (var round = 0; round < 50; round++)
        {
            for (var i = 0; i < 4; i++)
            {
                await session.SubmitAsync(i, GrpcFixture.Call("forever"));
            }

            await session.SubmitAsync(4, GrpcFixture.Call("echo"));
            Assert.Equal((4, "resource_exhausted", "number"), await session.RefusedAsync());
            for (var i = 0; i < 4; i++)
            {
                await session.SendAsync(new SessionRequest { Number = i, Cancel = true });
                Assert.Equal(i, (await session.NextAsync()).Number);
            }
        }
    }

    [Fact]
    public async Task Who_leaves_leaves_the_tasks_and_nothing_of_the_session_stays()
    {
        await using var fixture = await GrpcFixture.StartAsync(configure: static options => options with { MaxInFlightPerIdentity = 8 });
        var client = fixture.Connect(GrpcFixture.Secret);
        var tasks = new List<string>();
        for (var round = 0; round < 5; round++) // eight requests in flight: what a session held is free when it is over
        {
            using var session = await Session.OpenAsync(client);
            for (var i = 0; i < 7; i++)
            {
                await session.SubmitAsync(i, GrpcFixture.Call("forever"), acknowledge: true);
                tasks.Add((await session.NextAsync()).Task);
            }

            Assert.Equal(7, fixture.Tasks.WaiterCount);
            session.Dispose();
            await Eventually.TrueAsync("nobody waits", () => fixture.Tasks.WaiterCount == 0);
        }

        foreach (var task in tasks)
        {
            await Eventually.TrueAsync("the task runs", async () => (await client.TaskGetAsync(new TaskReference { Task = task })).State == "running");
        }

        Assert.Empty(fixture.Defects);
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task Results_of_one_who_does_not_read_take_no_more_than_their_room_and_none_is_lost()
    {
        await using var fixture = await GrpcFixture.StartAsync(mostBytes: 24 << 20);
        var client = fixture.Connect(GrpcFixture.Secret);
        for (var round = 0; round < 3; round++)
        {
            using var session = await Session.OpenAsync(client);
            for (var i = 0; i < 64; i++)
            {
                await session.SubmitAsync(i, GrpcFixture.Call("fill", "1000000"));
            }

            // What waits for it is bounded to 16 of the 24 MiB of the caller: others of its requests pass.
            Assert.Equal("succeeded", (await client.TaskRunAsync(GrpcFixture.Call("echo", new string('s', 300_000)))).State);
            await session.CloseAsync();
            var told = await session.ReadToEndAsync();
            Assert.Equal(64, told.Count);
            Assert.All(told, static reply => Assert.Equal(1_000_000, reply.Ended.Output.Length));
        }

        Assert.Equal("succeeded", (await client.TaskRunAsync(GrpcFixture.Call("echo", new string('s', 10 << 20)))).State);
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task A_durable_task_is_acknowledged_when_it_is_stored_and_its_end_follows()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        using var session = await Session.OpenAsync(fixture.Connect());
        for (var i = 0; i < 50; i++)
        {
            var task = GrpcFixture.Call("echo", "kept");
            task.Durable = true;
            await session.SubmitAsync(i, task, acknowledge: true);
        }

        await session.CloseAsync();
        var told = await session.ReadToEndAsync();
        for (var i = 0; i < 50; i++)
        {
            var own = told.Where(r => r.Number == i).ToList();
            Assert.Equal(2, own.Count);
            Assert.True(own[0].HasTask);
            Assert.Equal((own[0].Task, "kept"), (own[1].Ended.Task, own[1].Ended.Output.ToStringUtf8()));
        }
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task A_session_needs_the_scope_of_its_tasks_and_ends_with_the_node()
    {
        await using var fixture = await GrpcFixture.StartAsync(new TokenStore([ServerFixture.Token("wayang_reads", "reads", OperationScopes.Read), ServerFixture.Token(GrpcFixture.Secret)]));
        Assert.Equal((StatusCode.PermissionDenied, "PERMISSION_DENIED", null), await GrpcFixture.RefusedAsync(() => Session.OpenAsync(fixture.Connect("wayang_reads"))));
        using var session = await Session.OpenAsync(fixture.Connect(GrpcFixture.Secret));
        await session.SubmitAsync(1, GrpcFixture.Call("forever"), acknowledge: true);
        Assert.True((await session.NextAsync()).HasTask);
        fixture.StopDesk();
        Assert.Equal((StatusCode.Unavailable, "UNAVAILABLE", null), await GrpcFixture.RefusedAsync(session.ReadToEndAsync));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task A_window_is_kept_full_at_a_high_rate()
    {
        const int Tasks = 30_000;
        await using var fixture = await GrpcFixture.StartAsync();
        using var session = await Session.OpenAsync(fixture.Connect());
        var started = Stopwatch.GetTimestamp();
        var free = new SemaphoreSlim((int)session.Window);
        var seen = new bool[Tasks];
        var reading = Task.Run(async () =>
        {
            for (var i = 0; i < Tasks; i++)
            {
                var reply = await session.NextAsync();
                Assert.Equal(reply.Number.ToString(CultureInfo.InvariantCulture), reply.Ended.Output.ToStringUtf8());
                Assert.False(seen[reply.Number]);
                seen[reply.Number] = true;
                free.Release();
            }
        });
        for (var i = 0; i < Tasks; i++)
        {
            await free.WaitAsync(s_patience);
            await session.SubmitAsync(i, GrpcFixture.Call("echo_later", i.ToString(CultureInfo.InvariantCulture)));
        }

        await reading;
        output.WriteLine($"{Tasks / Stopwatch.GetElapsedTime(started).TotalSeconds:N0} tasks a second, with a client in the same process");
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task Mutated_messages_end_a_number_or_their_session_and_harm_nobody()
    {
        await using var fixture = await GrpcFixture.StartAsync();
        var invoker = fixture.Invoke(GrpcFixture.Secret);
        var witness = fixture.Connect();
        var seed = int.TryParse(Environment.GetEnvironmentVariable("WAYANG_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var (told, ended) = (0, 0);
        for (var i = 0; i < (Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 50_000 : 400); i++)
        {
            using var call = invoker.AsyncDuplexStreamingCall(RawMethods.Of("TaskSession", MethodType.DuplexStreaming), host: null, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(60)));
            await SendSomeAsync(call, random);
            try
            {
                while (await call.ResponseStream.MoveNext(CancellationToken.None))
                {
                    told++;
                }
            }
            catch (RpcException refused) when (refused.StatusCode is StatusCode.InvalidArgument or StatusCode.ResourceExhausted)
            {
                ended++; // or the server has its peer wait before it ends yet another stream early
            }
        }

        output.WriteLine($"{told} replies, {ended} sessions ended");
        Assert.True(told > 400 && ended > 0, "the input reached nothing");
        Assert.Equal("w", (await witness.TaskRunAsync(GrpcFixture.Call("echo_later", "w"))).Output.ToStringUtf8());
        Assert.Empty(fixture.Defects);
    }

    private static async Task SendSomeAsync(AsyncDuplexStreamingCall<byte[], byte[]> call, Random random)
    {
        try
        {
            for (var sent = 0; sent < 8; sent++)
            {
                // Most are broken inside of their task, a few outside of it.
                var task = GrpcFixture.Call("echo_later", "x").ToByteArray();
                var broken = random.Next(8) == 0 ? task : GrpcFuzzTests.Mutate(task, random);
                byte[] whole = [0x08, (byte)sent, 0x12, (byte)broken.Length, .. broken, 0x18, (byte)random.Next(2)];
                await call.RequestStream.WriteAsync(random.Next(32) == 0 ? GrpcFuzzTests.Mutate(whole, random) : whole);
            }

            await call.RequestStream.CompleteAsync();
        }
        catch (Exception ended) when (ended is RpcException or InvalidOperationException or HttpRequestException or IOException)
        {
            // The session is over already; why is told to the reader.
        }
    }

    /// <summary>A client's side of a session.</summary>
    private sealed class Session : IDisposable
    {
        private readonly AsyncDuplexStreamingCall<SessionRequest, SessionReply> _call;

        private Session(AsyncDuplexStreamingCall<SessionRequest, SessionReply> call) => _call = call;

        public long Window { get; private init; }

        public static async Task<Session> OpenAsync(Runtime.RuntimeClient client)
        {
            var call = client.TaskSession();
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            Assert.False(call.ResponseStream.Current.HasNumber);
            return new Session(call) { Window = call.ResponseStream.Current.Window };
        }

        public Task SendAsync(SessionRequest request) => _call.RequestStream.WriteAsync(request);

        public Task SubmitAsync(long number, TaskSpec task, bool acknowledge = false) => SendAsync(new SessionRequest { Number = number, Submit = task, Acknowledge = acknowledge });

        public async Task<SessionReply> NextAsync()
        {
            Assert.True(await _call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience));
            return _call.ResponseStream.Current;
        }

        public async Task<(long Number, string Code, string Field)> RefusedAsync()
        {
            var reply = await NextAsync();
            Assert.True(reply.Refused is not null, reply.ToString());
            return (reply.Number, reply.Refused.Code, reply.Refused.Field);
        }

        public Task CloseAsync() => _call.RequestStream.CompleteAsync();

        public async Task<List<SessionReply>> ReadToEndAsync()
        {
            var told = new List<SessionReply>();
            while (await _call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(s_patience))
            {
                told.Add(_call.ResponseStream.Current);
            }

            return told;
        }

        public void Dispose() => _call.Dispose();
    }
}
