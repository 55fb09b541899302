using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>Connections at the doors over HTTP: how many one caller, one address and all may have, what is told to who comes then, and how long one that does nothing may stay.</summary>
[Trait("Promise", "COM7")]
public sealed class HttpLimitTests
{
    private const string Other = "wayang_other";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public static TheoryData<string, string> Limits => new()
    {
        { "caller", "3 connections of token:ci are open at this door; security.connections_per_caller lets in more" },
        { "address", "3 connections of 127.0.0.1 are open at this door; security.connections_per_address lets in more" },
        { "all", "3 connections are open at this door; security.connections lets in more" },
    };

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_connection_too_many_at_REST_is_told_which_bound_and_closed(string which, string told)
    {
        await using var fixture = await RestFixture.StartAsync(Tokens(), configure: options => Bound(options, which));
        var open = new List<HttpClient>();
        for (var i = 0; i < 3; i++)
        {
            open.Add(fixture.Connect(RestFixture.Secret)); // a connection each
            Assert.Equal(200, (await RestFixture.AskAsync(open[i], HttpMethod.Get, "/v1/node")).Status);
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/node");
        using var answer = await fixture.Connect(RestFixture.Secret).SendAsync(request, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.Contains(told, text, StringComparison.Ordinal);
        Assert.Contains("resource_exhausted", text, StringComparison.Ordinal);
        Assert.True(answer.Headers.ConnectionClose);
        Assert.NotNull(answer.Headers.RetryAfter);

        // Those that are open go on; another caller counts for itself; who leaves makes room.
        Assert.All(open, static client => Assert.Equal(200, RestFixture.AskAsync(client, HttpMethod.Get, "/v1/node").GetAwaiter().GetResult().Status));
        Assert.Equal(which == "caller" ? 200 : 429, (await RestFixture.AskAsync(fixture.Connect(Other), HttpMethod.Get, "/v1/node")).Status);
        open[0].Dispose();
        if (which != "caller")
        {
            open[1].Dispose(); // the other caller's, that was refused, may still be there
        }

        await Eventually.TrueAsync("a connection is let in again", async () => (await RestFixture.AskAsync(fixture.Connect(RestFixture.Secret), HttpMethod.Get, "/v1/node")).Status == 200);
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_connection_too_many_at_gRPC_is_told_which_bound(string which, string told)
    {
        await using var fixture = await GrpcFixture.StartAsync(Tokens(), configure: options => Bound(options, which));
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("succeeded", (await fixture.Connect(GrpcFixture.Secret).TaskRunAsync(GrpcFixture.Call("echo"), deadline: Deadline())).State);
        }

        var refused = await Assert.ThrowsAsync<RpcException>(() => fixture.Connect(GrpcFixture.Secret).TaskRunAsync(GrpcFixture.Call("echo"), deadline: Deadline()).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.Contains(told, refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Twice_the_bound_is_closed_at_once_and_who_was_refused_and_asks_nothing_soon()
    {
        await using var fixture = await RestFixture.StartAsync(Tokens(), configure: static options => options with { MaxConnectionsPerAddress = 2, RefusedTimeout = TimeSpan.FromSeconds(2) });
        var begun = Stopwatch.GetTimestamp();
        var sockets = new List<Socket>();
        for (var i = 0; i < 8; i++)
        {
            sockets.Add(await OpenAsync(fixture.Port));
        }

        Assert.All(sockets[4..], static socket => Assert.Equal(0, Receive(socket))); // at once
        Assert.All(sockets[2..4], static socket => Assert.Equal(0, Receive(socket))); // after a while
        Assert.True(Stopwatch.GetElapsedTime(begun) > TimeSpan.FromSeconds(1), "they had their time to ask");
        sockets.ForEach(static socket => socket.Dispose());
    }

    [Fact]
    public async Task Half_a_header_a_slow_body_and_an_idle_connection_are_given_up()
    {
        await using var fixture = await RestFixture.StartAsync(Tokens(), configure: static options => options with
        {
            HeaderTimeout = TimeSpan.FromSeconds(1), IdleTimeout = TimeSpan.FromSeconds(1), SlowGrace = TimeSpan.FromSeconds(1.5),
        });
        using var half = await OpenAsync(fixture.Port);
        half.Send("GET /v1/node HTTP/1.1\r\nHost: x\r\nAuthoriz"u8);
        using var silent = await OpenAsync(fixture.Port);
        using var slow = await OpenAsync(fixture.Port);
        slow.Send(Encoding.ASCII.GetBytes($"POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RestFixture.Secret}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"));
        var witness = fixture.Connect(RestFixture.Secret);
        Assert.Equal(200, (await RestFixture.AskAsync(witness, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
        Assert.Contains("408", Text(half), StringComparison.Ordinal);
        Assert.Equal(0, Receive(silent));
        Assert.Contains("408", Text(slow), StringComparison.Ordinal);
        using var after = fixture.Connect(RestFixture.Secret); // the first one's connection was idle, too, and may be closed as it asks
        Assert.Equal(200, (await RestFixture.AskAsync(after, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
    }

    private static HttpDoorOptions Bound(HttpDoorOptions options, string which) => which switch
    {
        "caller" => options with { MaxConnectionsPerIdentity = 3 },
        "address" => options with { MaxConnectionsPerAddress = 3 },
        _ => options with { MaxConnections = 3 },
    };

    private static TokenStore Tokens() => new([ServerFixture.Token(RestFixture.Secret), ServerFixture.Token(Other, "other")]);

    private static DateTime Deadline() => DateTime.UtcNow.Add(s_patience);

    private static async Task<Socket> OpenAsync(int port)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Closed before it was seen to be open.
        }

        return socket;
    }

    /// <summary>0: closed, in order or not.</summary>
    private static int Receive(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[1]);
        }
        catch (SocketException reset) when (reset.SocketErrorCode is SocketError.ConnectionReset or SocketError.NotConnected)
        {
            return 0;
        }
    }

    private static string Text(Socket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[4_096];
        try
        {
            while (socket.Receive(buffer) is var count and > 0)
            {
                text.Append(Encoding.ASCII.GetString(buffer, 0, count));
            }
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            // What came before counts.
        }

        return text.ToString();
    }
}
