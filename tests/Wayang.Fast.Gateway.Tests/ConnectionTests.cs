using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.MessagePackRpc;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>What a connection lives through: slow, silent, greedy, half-closed and vanishing peers.</summary>
[Trait("Promise", "COM3")]
public sealed class ConnectionTests
{
    [Fact]
    public async Task A_frame_may_come_byte_by_byte()
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        foreach (var value in ServerFixture.RunFrame(9, "echo", "slow"u8))
        {
            socket.Send([value]);
        }

        Assert.Contains((byte)'w', ServerFixture.ReadFrame(socket)!);
    }

    /// <summary>What is left of a large frame is read on another thread, by itself; the small ones around it are not lost, nor out of order.</summary>
    [Theory]
    [InlineData(1_000)]
    [InlineData(70_000)]
    [InlineData(1 << 20)]
    public async Task A_large_frame_in_pieces_is_answered_between_small_ones(int piece)
    {
        await using var fixture = new ServerFixture();
        await using var client = await fixture.ConnectAsync(); // another one is served meanwhile
        using var socket = fixture.Open();
        var large = new byte[900_000];
        new Random(piece).NextBytes(large);
        byte[] frames =
        [
            .. ServerFixture.RunFrame(1, "echo", "before"u8), .. ServerFixture.RunFrame(2, "echo", large),
            .. ServerFixture.RunFrame(3, "echo", "after"u8), .. ServerFixture.RunFrame(4, "echo", large.AsSpan(1)),
        ];
        var answers = Task.Run(() => ServerFixture.ReadFrames(socket, 4));
        for (var at = 0; at < frames.Length; at += piece)
        {
            socket.Send(frames.AsSpan(at, Math.Min(piece, frames.Length - at)));
            if (at % 90_000 < piece)
            {
                Assert.Equal("x"u8.ToArray(), (await client.RunCallAsync("demo", "echo", "x"u8.ToArray())).Output.ToArray());
            }
        }

        Assert.Equal([6, 900_000, 5, 899_999], (await answers).Select(static frame => Longest(frame)));
        var second = (await answers)[1];
        Assert.True(second.AsSpan().IndexOf(large) > 0, "the echo is not what was sent");
    }

    [Fact]
    public async Task Large_replies_and_small_ones_come_whole_and_each_once()
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        const int Count = 60;
        var answers = Task.Run(() => ServerFixture.ReadFrames(socket, Count));
        for (uint i = 0; i < Count; i++)
        {
            socket.Send(i % 3 == 0 ? ServerFixture.RunFrame(i, "fill", "300000"u8) : ServerFixture.RunFrame(i, i % 3 == 1 ? "echo" : "echo_later", "small"u8));
        }

        var replies = await answers;
        Assert.Equal(Enumerable.Range(0, Count), replies.Select(static frame => (int)MessageId(frame)).Order());
        Assert.All(replies, static frame => Assert.Equal(MessageId(frame) % 3 == 0 ? 300_000 : 5, Longest(frame)));
    }

    private static uint MessageId(byte[] reply)
    {
        var reader = new MessagePackReader(reply);
        var id = 0UL;
        Assert.True(reader.TryReadArrayHeader(out _) && reader.TryReadUInt64(out _) && reader.TryReadUInt64(out id));
        return (uint)id;
    }

    /// <summary>Bytes of the output of a reply.</summary>
    private static int Longest(byte[] reply)
    {
        var reader = new MessagePackReader(reply);
        Assert.True(reader.TryReadArrayHeader(out _) && reader.TrySkip() && reader.TrySkip() && reader.TrySkip());
        Assert.True(reader.TryReadMapHeader(out var fields));
        for (; fields > 0; fields--)
        {
            Assert.True(reader.TryReadStringOrBinary(out var name));
            if (name.SequenceEqual("output"u8))
            {
                Assert.True(reader.TryReadStringOrBinary(out var output));
                return output.Length;
            }

            Assert.True(reader.TrySkip());
        }

        return -1;
    }

    [Fact]
    public async Task A_half_closed_peer_gets_its_answers_then_the_end()
    {
        await using var fixture = new ServerFixture();
        using var socket = fixture.Open();
        for (uint i = 0; i < 100; i++)
        {
            socket.Send(ServerFixture.RunFrame(i, "echo_later", "x"u8));
        }

        socket.Shutdown(SocketShutdown.Send);
        for (var i = 0; i < 100; i++)
        {
            Assert.NotNull(ServerFixture.ReadFrame(socket));
        }

        Assert.Null(ServerFixture.ReadFrame(socket));
    }

    [Fact]
    public async Task A_vanished_peer_is_forgotten_with_its_waits()
    {
        await using var fixture = new ServerFixture();
        await using (var client = await fixture.ConnectAsync())
        {
            var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
            var waiting = client.WaitAsync(id);
            await client.NodeInfoAsync();
            await client.DisposeAsync();
            Assert.Equal(ErrorCode.NodeLost, (await Assert.ThrowsAsync<WayangException>(() => waiting)).Code);
        }

        Assert.True(fixture.Tasks.SomethingForgotten.Wait(TimeSpan.FromSeconds(20)));
        Assert.Equal(0, fixture.Tasks.WaiterCount);
    }

    [Fact]
    public async Task A_peer_that_does_not_read_is_not_read_from_and_gets_all_later()
    {
        await using var fixture = new ServerFixture(static options => options with { OutputPauseBytes = 64 << 10 });
        using var socket = fixture.Open();
        const int Count = 400;
        var sender = Task.Run(() =>
        {
            for (uint i = 0; i < Count; i++)
            {
                socket.Send(ServerFixture.RunFrame(i, "fill", "100000"u8));
            }
        });
        var scanner = new FrameScanner(new FrameLimits());
        var buffer = new byte[1 << 20];
        var filled = 0;
        var frames = 0;
        while (frames < Count)
        {
            var got = socket.Receive(buffer.AsSpan(filled));
            Assert.NotEqual(0, got);
            filled += got;
            var start = 0;
            while (start < filled && scanner.Scan(buffer.AsSpan(start, filled - start)) == FrameStatus.Complete)
            {
                start += scanner.Length;
                scanner.Reset();
                frames++;
            }

            buffer.AsSpan(start, filled - start).CopyTo(buffer);
            filled -= start;
        }

        await sender;
    }

    [Fact]
    public async Task A_peer_that_never_reads_is_closed_after_the_time_for_it()
    {
        await using var fixture = new ServerFixture(static options => options with
        {
            OutputPauseBytes = 64 << 10,
            SendTimeout = TimeSpan.FromMilliseconds(200),
        });
        using var socket = fixture.Open();
        var failure = Assert.Throws<SocketException>(() =>
        {
            for (uint i = 0; i < 1_000_000; i++)
            {
                socket.Send(ServerFixture.RunFrame(i, "fill", "100000"u8));
            }
        });
        Assert.True(failure.SocketErrorCode is SocketError.Shutdown or SocketError.ConnectionReset, failure.SocketErrorCode.ToString());
        Assert.Equal(0, fixture.Server.ConnectionCount);
    }

    [Fact]
    public async Task In_flight_requests_are_bounded_and_all_answered()
    {
        await using var fixture = new ServerFixture(static options => options with { MaxInFlight = 4 });
        await using var client = await fixture.ConnectAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, 2000).Select(_ => client.RunCallAsync("demo", "echo_later")));
        Assert.All(results, static result => Assert.True(result.Succeeded));
    }

    [Fact]
    public async Task Two_hundred_connections_work_side_by_side()
    {
        await using var fixture = new ServerFixture();
        var clients = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => fixture.ConnectAsync()));
        var results = await Task.WhenAll(clients.SelectMany(static client => Enumerable.Range(0, 20).Select(_ => client.RunCallAsync("demo", "echo_later"))));
        Assert.Equal(4000, results.Length);
        Assert.Equal(200, fixture.Server.ConnectionCount);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task One_connection_too_many_is_told_why()
    {
        await using var fixture = new ServerFixture(static options => options with { MaxConnections = 1 });
        await using var first = await fixture.ConnectAsync();
        await first.NodeInfoAsync();
        using var second = fixture.Open();
        Assert.Contains("resource_exhausted", System.Text.Encoding.UTF8.GetString(ServerFixture.ReadFrame(second)!), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task The_peer_is_known_by_the_kernel_and_a_stranger_refused()
    {
        PeerCredentials? seen = null;
        await using var fixture = new ServerFixture(options => options with
        {
            Authorize = peer =>
            {
                seen = peer;
                return new PeerPolicy { Users = new HashSet<uint> { 4_000_000 } }.TenantOf(peer);
            },
        });
        using var socket = fixture.Open();
        Assert.Contains("permission_denied", System.Text.Encoding.UTF8.GetString(ServerFixture.ReadFrame(socket)!), StringComparison.Ordinal);
        Assert.Null(ServerFixture.ReadFrame(socket));
        Assert.Equal(Environment.ProcessId, seen!.ProcessId);
        Assert.Equal(SocketPaths.EffectiveUser(), seen.UserId);
    }

    [Fact]
    public async Task A_lost_node_ends_the_pending_calls_and_the_next_call_connects_again()
    {
        await using var fixture = new ServerFixture();
        await using var client = await fixture.ConnectAsync();
        var id = await client.SubmitAsync(TaskSpec.Call("demo", "forever"));
        var waiting = client.WaitAsync(id);
        await client.NodeInfoAsync();
        await fixture.Server.DisposeAsync();
        Assert.Equal(ErrorCode.NodeLost, (await Assert.ThrowsAsync<WayangException>(() => waiting)).Code);
        var next = client.NodeInfoAsync();
        fixture.Restart();
        Assert.Equal("here", (await next).Node);
    }

    [Fact]
    public async Task Nothing_listening_says_what_to_do()
    {
        var failure = await Assert.ThrowsAsync<WayangException>(() => WayangClient.ConnectAsync(new() { SocketPath = "/tmp/none/at/all.sock" }));
        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("wayang serve", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_live_server_is_not_replaced_a_dead_ones_file_is()
    {
        await using var fixture = new ServerFixture();
        Assert.Throws<IOException>(() => RpcServer.Start(fixture.Options, fixture.Tasks));
        var stale = fixture.Options with { SocketPath = fixture.Options.SocketPath + "2" };
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(stale.SocketPath));
        }

        if (!File.Exists(stale.SocketPath))
        {
            // Disposing unlinks in some versions: what stays behind after a kill is the same file.
            using var left = File.Create(stale.SocketPath);
        }

        await using var second = RpcServer.Start(stale, fixture.Tasks);
        Assert.True(File.Exists(stale.SocketPath));
    }

    [Fact]
    public void Peer_policy_maps_users_and_groups()
    {
        var policy = new PeerPolicy
        {
            Users = new HashSet<uint> { 0, 10 },
            Groups = new HashSet<uint> { 50 },
            TenantOfUser = new Dictionary<uint, int> { [10] = 3 },
            DefaultTenant = 1,
        };
        Assert.Equal(3, policy.TenantOf(new(1, 10, 10, [])));
        Assert.Equal(1, policy.TenantOf(new(1, 11, 11, [50])));
        Assert.Null(policy.TenantOf(new(1, 11, 11, [51])));
        Assert.Equal(TaskState.None, default);
    }
}
