using System.Net.Sockets;
using System.Text;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Gateway.Health;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>The wire itself: what stock clients send, what nobody should.</summary>
[Trait("Promise", "COM3")]
public sealed class ProtocolTests
{
    [Theory]
    [InlineData("9400a101")]
    [InlineData("c0")]
    [InlineData("9500c0c0c0c0")]
    [InlineData("9400cf0000000100000000a16190")]
    [InlineData("940300a16190")]
    [InlineData("ddffffffff")]
    [InlineData("9400 00 c6ffffffff")]
    [InlineData("c1")]
    public async Task What_is_no_request_ends_the_connection(string hex)
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        socket.Send(Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)));
        if (string.Equals(hex, "9400a101", StringComparison.Ordinal))
        {
            socket.Shutdown(SocketShutdown.Send);
        }

        Assert.Null(ServerFixture.ReadFrame(socket));
        await using var client = await fixture.ConnectAsync();
        Assert.True((await client.RunCallAsync("demo", "echo")).Succeeded);
    }

    [Fact]
    public async Task An_unknown_operation_and_bad_parameters_keep_the_connection()
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        Assert.Contains("unknown_operation", Ask(socket, Request(1, "nvim_set_client_info", static (ref MessagePackWriter writer) =>
        {
            writer.WriteArrayHeader(5);
            writer.WriteString("x");
            writer.WriteMapHeader(0);
            writer.WriteString("remote");
            writer.WriteMapHeader(0);
            writer.WriteMapHeader(0);
        })), StringComparison.Ordinal);
        Assert.Contains("'task.run'", Ask(socket, Request(2, "task.ran", static (ref MessagePackWriter writer) => writer.WriteArrayHeader(0))), StringComparison.Ordinal);
        Assert.Contains("invalid_argument", Ask(socket, Request(3, "task.run", static (ref MessagePackWriter writer) => writer.WriteNil())), StringComparison.Ordinal);
        Assert.Contains("invalid_argument", Ask(socket, Request(4, "task.run", static (ref MessagePackWriter writer) => writer.WriteArrayHeader(0))), StringComparison.Ordinal);
        Assert.Contains("here", Ask(socket, Request(5, "node.info", static (ref MessagePackWriter writer) => writer.WriteArrayHeader(0))), StringComparison.Ordinal);
        Assert.Contains("not_found", Ask(socket, ServerFixture.RunFrame(6, "missing", default)), StringComparison.Ordinal);

        // A notification is counted and stepped over; the next request is answered.
        socket.Send([0x93, 2, 0xA1, (byte)'x', 0x90]);
        Assert.Contains("succeeded", Ask(socket, ServerFixture.RunFrame(7, "echo", default)), StringComparison.Ordinal);
        Assert.Equal(1, fixture.Server.IgnoredNotifications);
    }

    [Fact]
    public async Task A_method_may_be_bin_and_ids_have_32_bits()
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        using var buffer = new PooledBuffer(64);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(uint.MaxValue);
        writer.WriteBinary("node.info"u8);
        writer.WriteArrayHeader(0);
        writer.Commit();
        socket.Send(buffer.WrittenSpan);
        var answer = ServerFixture.ReadFrame(socket)!;
        var reader = new MessagePackReader(answer);
        Assert.True(reader.TryReadArrayHeader(out _) && reader.TryReadUInt64(out _) && reader.TryReadUInt64(out var id) && id == uint.MaxValue);
        Assert.True(reader.TryReadNil());
    }

    [Fact]
    public async Task Health_answers_and_says_why_not_ready()
    {
        string? reason = "the spawner is starting";
        await using var health = await HealthServer.StartAsync(0, () => reason);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{health.Port}") };
        Assert.Equal("ok\n", await http.GetStringAsync(new Uri("/healthz", UriKind.Relative)));
        using var refused = await http.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("the spawner is starting\n", await refused.Content.ReadAsStringAsync());
        reason = null;
        Assert.Equal("ready\n", await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)));
    }

    private delegate void Encoder(ref MessagePackWriter writer);

    private static byte[] Request(uint id, string method, Encoder encode)
    {
        using var buffer = new PooledBuffer(64);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(id);
        writer.WriteString(method);
        encode(ref writer);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    private static string Ask(Socket socket, byte[] request)
    {
        socket.Send(request);
        return Encoding.UTF8.GetString(ServerFixture.ReadFrame(socket)!);
    }
}
