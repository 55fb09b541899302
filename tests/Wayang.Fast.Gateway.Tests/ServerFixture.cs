using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.MessagePack;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.MessagePackRpc;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>A server over the in-memory service in a directory of its own.</summary>
internal sealed class ServerFixture : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-rpc-");

    public ServerFixture(Func<RpcServerOptions, RpcServerOptions>? configure = null)
    {
        Options = new RpcServerOptions { SocketPath = Path.Combine(_directory.FullName, "w.sock"), Authorize = static _ => 7 };
        Options = configure?.Invoke(Options) ?? Options;
        Server = RpcServer.Start(Options, Tasks);
    }

    public InMemoryTaskService Tasks { get; } = new();

    public RpcServerOptions Options { get; }

    public RpcServer Server { get; private set; }

    public void Restart(Func<RpcServerOptions, RpcServerOptions>? configure = null) => Server = RpcServer.Start(configure?.Invoke(Options) ?? Options, Tasks);

    public Task<WayangClient> ConnectAsync(WayangClientOptions? options = null) =>
        WayangClient.ConnectAsync((options ?? new WayangClientOptions()) with { SocketPath = Options.SocketPath });

    /// <summary>A bare connection; reads give up after 20 seconds so that a defect fails instead of hanging.</summary>
    public Socket Open()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 20_000, SendTimeout = 20_000 };
        socket.Connect(new UnixDomainSocketEndPoint(Options.SocketPath));
        return socket;
    }

    /// <summary>TCP on a free port of the loopback address; <paramref name="tokens"/> let in.</summary>
    public static RpcServerOptions OverTcp(RpcServerOptions options, TokenStore tokens) =>
        options with { Tcp = new RpcTcpOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), Tokens = tokens } };

    public static AccessToken Token(string secret, string name = "ci", OperationScopes scopes = OperationScopes.All, DateTimeOffset? expires = null) =>
        new(name, Tenant: 3, scopes, AccessToken.HashOf(secret), expires);

    /// <summary>A bare TCP connection, not yet a session.</summary>
    public Socket OpenTcp()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000, SendTimeout = 20_000, NoDelay = true };
        socket.Connect(Server.TcpEndPoint!);
        return socket;
    }

    /// <summary>A bare TCP connection whose session is open.</summary>
    public Socket OpenTcp(string secret)
    {
        var socket = OpenTcp();
        Xunit.Assert.Contains("token:", Ask(socket, SessionFrame(1, secret)), StringComparison.Ordinal);
        return socket;
    }

    public Task<WayangClient> ConnectTcpAsync(string? secret) => WayangClient.ConnectAsync(new()
    {
        Endpoint = WayangEndpoint.Tcp("127.0.0.1", Server.TcpEndPoint!.Port), Token = secret,
    });

    public static string Ask(Socket socket, byte[] request)
    {
        socket.Send(request);
        return ReadText(socket);
    }

    public static string ReadText(Socket socket) => System.Text.Encoding.UTF8.GetString(ReadFrame(socket) ?? "(end)"u8.ToArray());

    public static byte[] SessionFrame(uint messageId, string secret)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(messageId);
        writer.WriteString("session.open");
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(1);
        writer.WriteString("token");
        writer.WriteString(secret);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Tasks.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>task.run of a call, as a client would encode it.</summary>
    public static byte[] RunFrame(uint messageId, string function, ReadOnlySpan<byte> data)
    {
        using var buffer = new PooledBuffer(256);
        var writer = new MessagePackWriter(buffer);
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(0);
        writer.WriteUInt64(messageId);
        writer.WriteString("task.run");
        writer.WriteArrayHeader(1);
        writer.WriteMapHeader(4);
        writer.WriteString("kind");
        writer.WriteString("call");
        writer.WriteString("image");
        writer.WriteString("demo");
        writer.WriteString("function");
        writer.WriteString(function);
        writer.WriteString("data");
        writer.WriteBinary(data);
        writer.Commit();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Sends a request and tells the length of its answer.</summary>
    public static int ReadFrameLength(Socket socket, byte[] request)
    {
        socket.Send(request);
        return ReadFrame(socket)!.Length;
    }

    /// <summary>Reads until one whole frame is there; null at the end of the stream.</summary>
    public static List<byte[]> ReadFrames(Socket socket, int count)
    {
        var scanner = new FrameScanner(new FrameLimits());
        var frames = new List<byte[]>();
        var bytes = new byte[8 << 20];
        for (int start = 0, filled = 0; frames.Count < count;)
        {
            filled += socket.Receive(bytes.AsSpan(filled)) is > 0 and var got ? got : throw new InvalidOperationException("the connection ended");
            while (start < filled && scanner.Scan(bytes.AsSpan(start, filled - start)) == FrameStatus.Complete)
            {
                frames.Add(bytes[start..(start + scanner.Length)]);
                start += scanner.Length;
                scanner.Reset();
            }
        }

        return frames;
    }

    public static byte[]? ReadFrame(Socket socket)
    {
        var scanner = new FrameScanner(new FrameLimits());
        var bytes = new List<byte>();
        var one = new byte[1];
        while (socket.Receive(one) == 1)
        {
            bytes.Add(one[0]);
            if (scanner.Scan(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes)) == FrameStatus.Complete)
            {
                return [.. bytes];
            }
        }

        return null;
    }
}
