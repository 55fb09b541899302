using Wayang.Fast.Client;
using Wayang.Fast.Gateway.MessagePackRpc;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>A live node behind its MessagePack-RPC socket.</summary>
internal sealed class SocketNode : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-test-").FullName;
    private readonly RpcServer _server;

    public SocketNode()
    {
        Node = new LiveNode();
        SocketPath = Path.Combine(_directory, "wayang.sock");
        _server = RpcServer.Start(new RpcServerOptions { SocketPath = SocketPath, Authorize = static _ => 0 }, Node.Tasks);
    }

    public LiveNode Node { get; }

    public string SocketPath { get; }

    public Task<WayangClient> ConnectAsync() => WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Node.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
