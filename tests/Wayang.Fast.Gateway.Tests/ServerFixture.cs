using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.MessagePack;
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

    public void Restart() => Server = RpcServer.Start(Options, Tasks);

    public Task<WayangClient> ConnectAsync(WayangClientOptions? options = null) =>
        WayangClient.ConnectAsync((options ?? new WayangClientOptions()) with { SocketPath = Options.SocketPath });

    /// <summary>A bare connection; reads give up after 20 seconds so that a defect fails instead of hanging.</summary>
    public Socket Open()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 20_000, SendTimeout = 20_000 };
        socket.Connect(new UnixDomainSocketEndPoint(Options.SocketPath));
        return socket;
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
