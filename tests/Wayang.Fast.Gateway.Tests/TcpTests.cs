using System.Net;
using System.Net.Sockets;
using System.Text;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.MessagePackRpc;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>The way in for strangers: sessions by token, and what peers of TCP live through.</summary>
[Trait("Promise", "COM7")]
public sealed class TcpTests
{
    private const string Secret = "wayang_of-a-test";

    [Fact]
    public async Task A_client_with_a_token_does_everything()
    {
        await using var fixture = Start();
        await using var client = await fixture.ConnectTcpAsync(Secret);
        var results = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => client.RunCallAsync("demo", "echo_later", "x"u8.ToArray())));
        Assert.All(results, static result => Assert.True(result.Succeeded));
        var large = new byte[8 << 20];
        new Random(1).NextBytes(large);
        var echoed = await client.RunCallAsync("demo", "echo", large);
        Assert.True(large.AsSpan().SequenceEqual(echoed.Output.Span));
        Assert.NotEmpty((await client.PutImageAsync("c", large, "mine")).Image);
    }

    [Fact]
    public async Task A_wrong_or_missing_token_is_told()
    {
        await using var fixture = Start();
        var wrong = await Assert.ThrowsAsync<WayangException>(() => fixture.ConnectTcpAsync(Secret + "x"));
        Assert.Equal((ErrorCode.Unauthenticated, "token"), (wrong.Code, wrong.Field));
        Assert.Contains("wayang token create", wrong.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.Unauthenticated, (await Assert.ThrowsAsync<WayangException>(() => fixture.ConnectTcpAsync(secret: null))).Code);
        Assert.Equal(1, fixture.Server.RefusedTokens);
    }

    [Fact]
    public async Task Nothing_is_done_before_the_session_and_too_many_tries_close()
    {
        await using var fixture = Start();
        using var socket = fixture.OpenTcp();
        for (uint i = 1; i < 8; i++)
        {
            var request = i % 2 == 0 ? ServerFixture.SessionFrame(i, "guess") : ServerFixture.RunFrame(i, "echo", "x"u8);
            Assert.Contains("unauthenticated", ServerFixture.Ask(socket, request), StringComparison.Ordinal);
        }

        Assert.Contains("unauthenticated", ServerFixture.Ask(socket, ServerFixture.RunFrame(8, "echo", "x"u8)), StringComparison.Ordinal);
        Assert.Contains("no valid token", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        Assert.Null(ServerFixture.ReadFrame(socket));
        Assert.Equal(0, fixture.Tasks.Resolutions);
    }

    [Fact]
    public async Task The_last_word_reaches_a_peer_that_goes_on_sending()
    {
        await using var fixture = Start();
        using var socket = fixture.OpenTcp();
        var pile = new List<byte>();
        for (uint i = 1; i <= 500; i++)
        {
            pile.AddRange(ServerFixture.RunFrame(i, "echo", new byte[50]));
        }

        socket.Send(pile.ToArray());
        for (var i = 0; i < 8; i++)
        {
            Assert.Contains("session.open", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        }

        Assert.Contains("no valid token", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        Assert.Null(ServerFixture.ReadFrame(socket));
    }

    [Fact]
    public async Task A_session_opens_after_a_first_mistake_and_only_once_more_confirms()
    {
        await using var fixture = Start();
        using var socket = fixture.OpenTcp();
        Assert.Contains("unauthenticated", ServerFixture.Ask(socket, ServerFixture.RunFrame(1, "echo", default)), StringComparison.Ordinal);
        Assert.Contains("token:ci", ServerFixture.Ask(socket, ServerFixture.SessionFrame(2, Secret)), StringComparison.Ordinal);
        Assert.Contains("succeeded", ServerFixture.Ask(socket, ServerFixture.RunFrame(3, "echo", default)), StringComparison.Ordinal);
        Assert.Contains("token:ci", ServerFixture.Ask(socket, ServerFixture.SessionFrame(4, "whatever")), StringComparison.Ordinal);

        // The kernel knows who is at a unix socket: a script that opens a session everywhere is welcome there.
        using var local = fixture.Open();
        Assert.Contains("user:", ServerFixture.Ask(local, ServerFixture.SessionFrame(1, "whatever")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scopes_bound_what_a_token_may_do()
    {
        await using var fixture = Start(
            ServerFixture.Token("watch", "watcher", OperationScopes.Read), ServerFixture.Token("work", "worker", OperationScopes.Submit));
        await using var watcher = await fixture.ConnectTcpAsync("watch");
        Assert.Equal("here", (await watcher.NodeInfoAsync()).Node);
        var refused = await Assert.ThrowsAsync<WayangException>(() => watcher.RunCallAsync("demo", "echo"));
        Assert.Equal(ErrorCode.PermissionDenied, refused.Code);
        Assert.Contains("'token:watcher' may read; task.run needs submit", refused.Message, StringComparison.Ordinal);
        await using var worker = await fixture.ConnectTcpAsync("work");
        var id = await worker.SubmitAsync(TaskSpec.Call("demo", "echo"));
        Assert.Equal(id, (await watcher.GetAsync(id)).Id);
        Assert.Equal(ErrorCode.PermissionDenied, (await Assert.ThrowsAsync<WayangException>(() => worker.PutImageAsync("c", new byte[1]))).Code);
    }

    [Fact]
    public async Task A_silent_and_a_dribbling_stranger_are_closed_in_time()
    {
        await using var fixture = Start(tcp => tcp with { SessionTimeout = TimeSpan.FromMilliseconds(300) });
        using var silent = fixture.OpenTcp();
        using var dribbling = fixture.OpenTcp();
        var closed = Task.Run(() => ServerFixture.ReadText(silent) + ServerFixture.ReadText(silent));
        var frame = ServerFixture.RunFrame(1, "echo", new byte[20_000]);
        var sent = 0;
        try
        {
            for (; sent < frame.Length; sent++)
            {
                dribbling.Send(frame, sent, 1, SocketFlags.None);
                if (dribbling.Available > 0 && ServerFixture.ReadText(dribbling).Contains("time to open a session", StringComparison.Ordinal))
                {
                    break;
                }

                await Task.Delay(1);
            }
        }
        catch (SocketException)
        {
            // Closed between two bytes: what this is about.
        }

        Assert.True(sent < frame.Length, "nobody stopped the dribble");
        var told = await closed;
        Assert.Contains("time to open a session", told, StringComparison.Ordinal);
        Assert.EndsWith("(end)", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Before_the_session_no_more_is_buffered_than_the_first_buffer_holds()
    {
        await using var fixture = Start();
        using var socket = fixture.OpenTcp();
        var frame = ServerFixture.SessionFrame(1, new string('x', 1 << 20));
        Assert.ThrowsAny<SocketException>(() => SendUntilRefused(socket, frame));
        Assert.Equal(0, fixture.Server.BufferedBytes);
    }

    [Fact]
    public async Task Strangers_cannot_take_all_the_places()
    {
        await using var fixture = Start(static tcp => tcp with { MaxUnopened = 2 });
        using var session = fixture.OpenTcp(Secret);
        using var first = fixture.OpenTcp();
        using var second = fixture.OpenTcp();
        using var third = fixture.OpenTcp();
        Assert.Contains("resource_exhausted", ServerFixture.ReadText(third), StringComparison.Ordinal);
        Assert.Contains("succeeded", ServerFixture.Ask(session, ServerFixture.RunFrame(3, "echo", default)), StringComparison.Ordinal);

        // A place that became free is taken again.
        first.Dispose();
        await EventuallyAsync(() => fixture.Server.ConnectionCount == 2);
        using var fourth = fixture.OpenTcp(Secret);
        Assert.Contains("succeeded", ServerFixture.Ask(fourth, ServerFixture.RunFrame(3, "echo", default)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_caller_has_its_bounds_and_another_is_not_touched()
    {
        await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(
            options with { MaxConnectionsPerIdentity = 2, MaxInFlightPerIdentity = 3, MaxBufferedBytesPerIdentity = 1 << 20 },
            new TokenStore([ServerFixture.Token(Secret), ServerFixture.Token("other", "other")])));
        using var first = fixture.OpenTcp(Secret);
        using var second = fixture.OpenTcp(Secret);
        using (var third = fixture.OpenTcp())
        {
            Assert.Contains("resource_exhausted", ServerFixture.Ask(third, ServerFixture.SessionFrame(1, Secret)), StringComparison.Ordinal);
        }

        for (uint i = 10; i < 12; i++)
        {
            first.Send(ServerFixture.RunFrame(i, "forever", default));
        }

        second.Send(ServerFixture.RunFrame(12, "forever", default));
        // Held until the end: the count below has it, and a socket that nobody holds is closed by the collector some time.
        using var bystander = fixture.OpenTcp("other");
        Assert.Contains("succeeded", ServerFixture.Ask(bystander, ServerFixture.RunFrame(5, "echo", default)), StringComparison.Ordinal);
        await EventuallyAsync(() => fixture.Tasks.WaiterCount == 3);
        var refused = ServerFixture.Ask(second, ServerFixture.RunFrame(13, "echo", default));
        Assert.Contains("resource_exhausted", refused, StringComparison.Ordinal);

        // Coming again does not renew the bound: what it has in flight still counts. (A reset: a mere close looks half-closed.)
        Reset(first);
        Reset(second);
        await EventuallyAsync(() => fixture.Server.ConnectionCount == 1);
        using var again = fixture.OpenTcp(Secret);
        Assert.Contains("resource_exhausted", ServerFixture.Ask(again, ServerFixture.RunFrame(14, "echo", default)), StringComparison.Ordinal);

        // Too many bytes close the connection that brings them, no other.
        using var other = fixture.OpenTcp("other");
        Assert.ThrowsAny<SocketException>(() => SendUntilRefused(other, ServerFixture.RunFrame(6, "echo", new byte[4 << 20])));
        Assert.Contains("not_found", ServerFixture.Ask(again, ServerFixture.RunFrame(15, "missing", default)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_that_was_left_no_longer_counts()
    {
        await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(
            options with { MaxInFlightPerIdentity = 2 }, new TokenStore([ServerFixture.Token(Secret)])));
        for (var i = 0; i < 5; i++)
        {
            await using var client = await fixture.ConnectTcpAsync(Secret);
            var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
            var waiting = client.WaitAsync(id);
            await EventuallyAsync(() => fixture.Tasks.WaiterCount == 1);
            await client.DisposeAsync();
            await Assert.ThrowsAsync<WayangException>(() => waiting);
            await EventuallyAsync(() => fixture.Tasks.WaiterCount == 0 && fixture.Server.ConnectionCount == 0);
        }
    }

    [Fact]
    public async Task A_half_closed_peer_gets_its_answers_then_the_end()
    {
        await using var fixture = Start();
        using var socket = fixture.OpenTcp(Secret);
        for (uint i = 2; i < 102; i++)
        {
            socket.Send(ServerFixture.RunFrame(i, "echo_later", "x"u8));
        }

        socket.Shutdown(SocketShutdown.Send);
        for (var i = 0; i < 100; i++)
        {
            Assert.Contains("succeeded", ServerFixture.ReadText(socket), StringComparison.Ordinal);
        }

        Assert.Null(ServerFixture.ReadFrame(socket));
    }

    [Fact]
    public async Task A_peer_that_resets_in_the_middle_is_forgotten_with_its_waits()
    {
        await using var fixture = Start();
        await using var witness = await fixture.ConnectTcpAsync(Secret);
        var id = await witness.SubmitAsync(TaskSpec.Call("demo", "forever"));
        using (var socket = fixture.OpenTcp(Secret))
        {
            socket.Send(WaitFrame(id.ToString()));
            await EventuallyAsync(() => fixture.Tasks.WaiterCount == 1);
            socket.Send(ServerFixture.RunFrame(3, "echo", new byte[1000]).AsSpan(0, 500));

            Reset(socket);
        }

        await EventuallyAsync(() => fixture.Tasks.WaiterCount == 0 && fixture.Server.ConnectionCount == 1);
        Assert.True((await witness.RunCallAsync("demo", "echo")).Succeeded);
    }

    [Fact]
    public async Task A_revoked_and_an_expired_token_end_their_sessions()
    {
        var directory = Directory.CreateTempSubdirectory("wayang-tokens-");
        var file = Path.Combine(directory.FullName, "tokens");
        TokenFile.Add(file, ServerFixture.Token(Secret));
        TokenFile.Add(file, ServerFixture.Token("brief", "brief", expires: DateTimeOffset.UnixEpoch.AddSeconds(1)));
        TokenFile.Add(file, ServerFixture.Token("stays", "stays"));
        var clock = new Clock();
        await using var fixture = new ServerFixture(options => ServerFixture.OverTcp(options, TokenStore.Open(file, time: clock)));
        using var brief = fixture.OpenTcp("brief");
        using var revoked = fixture.OpenTcp(Secret);
        using var stays = fixture.OpenTcp("stays");
        Assert.True(TokenFile.Remove(file, "ci"));

        // Seen by itself, about a second later; a reload says it at once.
        Assert.Contains("was revoked", ServerFixture.ReadText(revoked), StringComparison.Ordinal);
        Assert.Null(ServerFixture.ReadFrame(revoked));
        clock.Now = DateTimeOffset.UnixEpoch.AddSeconds(1);
        Assert.Contains("has expired", ServerFixture.ReadText(brief), StringComparison.Ordinal);
        Assert.Null(ServerFixture.ReadFrame(brief));
        Assert.Contains("succeeded", ServerFixture.Ask(stays, ServerFixture.RunFrame(2, "echo", default)), StringComparison.Ordinal);
        TokenFile.Add(file, ServerFixture.Token("fresh", "fresh"));
        fixture.Server.ReloadTokens();
        using var fresh = fixture.OpenTcp("fresh");
        TokenFile.Remove(file, "fresh");
        fixture.Server.ReloadTokens();
        Assert.Contains("was revoked", ServerFixture.ReadText(fresh), StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task A_port_in_use_and_an_open_address_are_refused_with_the_remedy()
    {
        await using var fixture = Start();
        var taken = fixture.Options with { SocketPath = fixture.Options.SocketPath + "2", Tcp = fixture.Options.Tcp! with { EndPoint = fixture.Server.TcpEndPoint! } };
        var failure = Assert.Throws<IOException>(() => RpcServer.Start(taken, fixture.Tasks));
        Assert.Contains(fixture.Server.TcpEndPoint!.ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Contains("something else does already", failure.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(taken.SocketPath));
        var open = taken with { Tcp = taken.Tcp! with { EndPoint = new IPEndPoint(IPAddress.Any, 0) } };
        Assert.Contains("allow_remote", Assert.Throws<IOException>(() => RpcServer.Start(open, fixture.Tasks)).Message, StringComparison.Ordinal);
        await using var meant = RpcServer.Start(open with { Tcp = open.Tcp! with { AllowRemote = true } }, fixture.Tasks);
        Assert.NotEqual(0, meant.TcpEndPoint!.Port);
    }

    [Fact]
    public async Task A_lost_node_ends_the_pending_calls_and_the_next_call_opens_a_session_again()
    {
        await using var fixture = Start();
        await using var client = await fixture.ConnectTcpAsync(Secret);
        var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        var waiting = client.WaitAsync(id);
        await client.NodeInfoAsync();
        var place = fixture.Server.TcpEndPoint!;
        await fixture.Server.DisposeAsync();
        Assert.Equal(ErrorCode.NodeLost, (await Assert.ThrowsAsync<WayangException>(() => waiting)).Code);
        var next = client.NodeInfoAsync();
        fixture.Restart(options => options with { Tcp = options.Tcp! with { EndPoint = place } });
        Assert.Equal("here", (await next).Node);
    }

    [Fact]
    public async Task No_node_there_says_what_to_do()
    {
        using var reserved = new Socket(SocketType.Stream, ProtocolType.Tcp);
        reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)reserved.LocalEndPoint!).Port;
        var failure = await Assert.ThrowsAsync<WayangException>(() => WayangClient.ConnectAsync(new() { Endpoint = WayangEndpoint.Tcp("127.0.0.1", port), Token = "x" }));
        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("rpc_tcp", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tcp://127.0.0.1:7800", "tcp://127.0.0.1:7800")]
    [InlineData("tcp://node7", "tcp://node7:7800")]
    [InlineData("tcp://[::1]:99/", "tcp://[::1]:99")]
    [InlineData("tcp://[::1]", "tcp://[::1]:7800")]
    [InlineData("unix:///run/w.sock", "/run/w.sock")]
    [InlineData("/run/w.sock", "/run/w.sock")]
    [InlineData("tcp://", null)]
    [InlineData("tcp://a:0", null)]
    [InlineData("tcp://a:70000", null)]
    [InlineData("http://a", null)]
    [InlineData("unix://w.sock", null)]
    public void Endpoints_are_read(string text, string? place) => Assert.Equal(place, WayangEndpoint.TryParse(text)?.ToString());

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    private static ServerFixture Start(params AccessToken[] tokens) =>
        new(options => ServerFixture.OverTcp(options, new TokenStore(tokens.Length > 0 ? tokens : [ServerFixture.Token(Secret)])));

    private static ServerFixture Start(Func<RpcTcpOptions, RpcTcpOptions> configure) =>
        new(options =>
        {
            var open = ServerFixture.OverTcp(options, new TokenStore([ServerFixture.Token(Secret)]));
            return open with { Tcp = configure(open.Tcp!) };
        });

    /// <summary>Closing with a linger time of zero sends RST.</summary>
    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(enable: true, 0);
        socket.Dispose();
    }

    private static byte[] WaitFrame(string id) =>
        [0x94, 0, 2, 0xA9, .. "task.wait"u8, 0x91, 0x81, 0xA4, .. "task"u8, 0xBA, .. Encoding.ASCII.GetBytes(id)];

    private static void SendUntilRefused(Socket socket, byte[] bytes)
    {
        for (var i = 0; i < 64; i++)
        {
            socket.Send(bytes);
        }
    }

    /// <summary>Until a fact holds that nobody announces.</summary>
    private static async Task EventuallyAsync(Func<bool> holds)
    {
        for (var until = Environment.TickCount64 + 20_000; !holds(); await Task.Delay(1))
        {
            Assert.True(Environment.TickCount64 < until, "never came true");
        }
    }
}
