using System.Net;
using System.Net.Sockets;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Grpc;

/// <summary>The gRPC door over the in-memory service: on a unix socket, and on TCP for those who show <see cref="Secret"/>.</summary>
internal sealed class GrpcFixture : IAsyncDisposable
{
    public const string Secret = "wayang_of-a-test";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-grpc-");
    private readonly List<IDisposable> _channels = [];
    private readonly OperationDesk _desk;
    private GrpcServer? _server;

    private GrpcFixture(bool events, AuditLog? audit) => _desk = new OperationDesk(new OperationPorts(Tasks, Monitor: null, Life: null) { Events = events ? Events.Stream : null }, defect =>
    {
        lock (Defects)
        {
            Defects.Add(defect);
        }
    }, audit: audit);

    public InMemoryTaskService Tasks { get; } = new();

    public EventDesk Events { get; } = new(64, null, TimeProvider.System);

    public List<Exception> Defects { get; } = [];

    public string SocketPath => Path.Combine(_directory.FullName, "g.sock");

    public int Port => _server!.Port;

    public static async Task<GrpcFixture> StartAsync(TokenStore? tokens = null, long mostBytes = 256L << 20, Func<HttpDoorOptions, HttpDoorOptions>? configure = null, bool events = true, AuditLog? audit = null)
    {
        var fixture = new GrpcFixture(events, audit);
        var options = new HttpDoorOptions
        {
            MaxBufferedBytesPerIdentity = mostBytes,
            EndPoint = new IPEndPoint(IPAddress.Loopback, 0), SocketPath = fixture.SocketPath, Authorize = static _ => 7,
            Tokens = tokens ?? new TokenStore([ServerFixture.Token(Secret)]),
        };
        fixture._server = await GrpcServer.StartAsync(
            configure?.Invoke(options) ?? options,
            fixture._desk);
        return fixture;
    }

    /// <summary>A client of the unix socket, or of TCP where a token is given.</summary>
    public Runtime.RuntimeClient Connect(string? token = null) => new(Invoke(token));

    public CallInvoker Invoke(string? token = null)
    {
        var channel = token is null ? OverSocket() : OverTcp();
        _channels.Add(channel);
        return token is null ? channel.CreateCallInvoker() : new BearerInvoker(channel.CreateCallInvoker(), token);
    }

    /// <summary>A connection over TCP that shows nothing.</summary>
    public Runtime.RuntimeClient ConnectWithoutToken()
    {
        var channel = OverTcp();
        _channels.Add(channel);
        return new(channel);
    }

    public static TaskSpec Call(string function, string data = "") => new()
    {
        Kind = "call", Image = "demo", Function = function, Data = Google.Protobuf.ByteString.CopyFromUtf8(data),
    };

    /// <summary>The refusal that a call ends with: its status and the code's own name.</summary>
    public static async Task<(StatusCode Status, string Reason, string? Field)> RefusedAsync(Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<RpcException>(call);
        var details = failure.GetRpcStatus();
        return (failure.StatusCode, details?.GetDetail<ErrorInfo>()?.Reason ?? "", details?.GetDetail<BadRequest>()?.FieldViolations[0].Field);
    }

    /// <summary>As when the node stops: what waits ends.</summary>
    public void StopDesk() => _desk.Stop();

    public async ValueTask DisposeAsync()
    {
        _channels.ForEach(static channel => channel.Dispose());
        _desk.Stop();
        await _server!.DisposeAsync();
        _desk.Dispose();
        Tasks.Dispose();
        Events.Dispose();
        _directory.Delete(recursive: true);
    }

    private GrpcChannel OverTcp() => GrpcChannel.ForAddress($"http://127.0.0.1:{Port}", new GrpcChannelOptions { MaxReceiveMessageSize = null });

    private GrpcChannel OverSocket() => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        MaxReceiveMessageSize = null,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        },
    });

    private sealed class BearerInvoker(CallInvoker inner, string token) : CallInvoker
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.BlockingUnaryCall(method, host, With(options), request);

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.AsyncUnaryCall(method, host, With(options), request);

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
            inner.AsyncServerStreamingCall(method, host, With(options), request);

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => inner.AsyncClientStreamingCall(method, host, With(options));

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) => inner.AsyncDuplexStreamingCall(method, host, With(options));

        private CallOptions With(CallOptions options) => options.WithHeaders(new Metadata { { "authorization", "Bearer " + token } });
    }
}
