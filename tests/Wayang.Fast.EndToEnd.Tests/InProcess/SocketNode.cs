using System.Net;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.MessagePackRpc;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>A live node behind its MessagePack-RPC sockets: the unix one, and a free port of the loopback address.</summary>
internal sealed class SocketNode : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-test-").FullName;
    private readonly RpcServer _server;

    public SocketNode()
    {
        Node = new LiveNode();
        SocketPath = Path.Combine(_directory, "wayang.sock");
        var token = new AccessToken("test", Tenant: 0, OperationScopes.All, AccessToken.HashOf(Token), Expires: null);
        _server = RpcServer.Start(
            new RpcServerOptions
            {
                SocketPath = SocketPath,
                Authorize = static _ => 0,
                Life = Node.Life,
                Monitor = Node.Monitor,
                Tcp = new RpcTcpOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), Tokens = new TokenStore([token]) },
            },
            Node.Tasks);
    }

    public LiveNode Node { get; }

    public string SocketPath { get; }

    public int TcpPort => _server.TcpEndPoint!.Port;

    /// <summary>Lets in over TCP.</summary>
    public string Token { get; } = AccessToken.NewSecret();

    public Task<WayangClient> ConnectAsync() => WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Node.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
