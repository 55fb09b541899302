using System.Net;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.MessagePackRpc;
using Wayang.Fast.Gateway.Operations;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>A live node behind its MessagePack-RPC sockets: the unix one, and a free port of the loopback address.</summary>
internal sealed class SocketNode : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("wayang-test-").FullName;
    private readonly RpcServer _server;
    private readonly TokenStore _tokens;
    private OperationDesk? _desk;
    private GrpcServer? _grpc;

    public SocketNode()
    {
        Node = new LiveNode();
        SocketPath = Path.Combine(_directory, "wayang.sock");
        _tokens = new TokenStore([new AccessToken("test", Tenant: 0, OperationScopes.All, AccessToken.HashOf(Token), Expires: null)]);
        _server = RpcServer.Start(
            new RpcServerOptions
            {
                SocketPath = SocketPath,
                Authorize = static _ => 0,
                Life = Node.Life,
                Monitor = Node.Monitor,
                Tcp = new RpcTcpOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), Tokens = _tokens },
            },
            Node.Tasks);
    }

    public LiveNode Node { get; }

    public string SocketPath { get; }

    public int TcpPort => _server.TcpEndPoint!.Port;

    /// <summary>Lets in over TCP.</summary>
    public string Token { get; } = AccessToken.NewSecret();

    public Task<WayangClient> ConnectAsync() => WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });

    public string GrpcSocketPath => Path.Combine(_directory, "grpc.sock");

    public int GrpcPort => _grpc!.Port;

    /// <summary>Opens the door of gRPC too: on a unix socket and on a free port.</summary>
    public async Task ServeGrpcAsync()
    {
        _desk = new OperationDesk(new OperationPorts(Node.Tasks, Node.Monitor, Node.Life));
        _grpc = await GrpcServer.StartAsync(
            new HttpDoorOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), SocketPath = GrpcSocketPath, Tokens = _tokens, Authorize = static _ => 0 }, _desk);
    }

    public async ValueTask DisposeAsync()
    {
        _desk?.Stop();
        if (_grpc is not null)
        {
            await _grpc.DisposeAsync();
        }

        _desk?.Dispose();
        await _server.DisposeAsync();
        Node.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
