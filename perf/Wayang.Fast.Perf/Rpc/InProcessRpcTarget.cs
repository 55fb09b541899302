using System.Net;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Execution;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.MessagePackRpc;
using Wayang.Fast.Perf.Harness;
using Wayang.Fast.Perf.Suites;

namespace Wayang.Fast.Perf.Rpc;

/// <summary>
/// The daemon's server and runtime on the near processor (socket thread and completion thread share it, as the echo's
/// server does), client and worker on the far one.
/// </summary>
internal sealed class InProcessRpcTarget : RpcTarget
{
    private const int PayloadBytes = 16;
    private const int Window = 64;
    private const string Image = "perf";
    private const string Function = "echo";

    private readonly PerfNode _node;
    private readonly RpcServer _server;
    private readonly SuiteContext _context;
    private readonly Action<int> _pin;
    private readonly string _socket = Path.Combine(Path.GetTempPath(), $"wayang-perf-{Environment.ProcessId}.sock");
    private readonly string _token = AccessToken.NewSecret();
    private readonly (int Request, int Reply) _bytes;

    public InProcessRpcTarget(SuiteContext context)
    {
        _context = context;
        _pin = context.Pin ?? (static _ => { });

        // Threads that the server makes inherit this: its socket engine stands on the near processor.
        _pin(context.NearCpu);
        var options = new RuntimeOptions
        {
            MaxWorkersPerPool = 1, SpareWorkers = 0, CallConcurrency = Window, CompletionCpu = context.NearCpu, RetainTasks = 10_000,
        };
        _node = new PerfNode(context, options, pinned: true);
        _server = RpcServer.Start(
            new RpcServerOptions
            {
                SocketPath = _socket,
                Authorize = static peer => peer.UserId == 0 || peer.ProcessId == Environment.ProcessId ? 0 : null,
                Tcp = new RpcTcpOptions
                {
                    EndPoint = new IPEndPoint(IPAddress.Loopback, 0),
                    Tokens = new TokenStore([new AccessToken("perf", Tenant: 0, OperationScopes.All, AccessToken.HashOf(_token), Expires: null)]),
                },
            },
            _node.Runtime.Tasks);
        _bytes = RpcSuite.MeasureSizes(_socket, Image, Function, PayloadBytes);
        MeasureRoundTrip(5_000);
        MeasureThroughput(100_000);
    }

    public override double MeasureRoundTrip(int calls) => RpcSuite.MeasureRtt(_socket, Image, Function, PayloadBytes, calls, _context.FarCpu, _pin);

    public override double MeasureThroughput(int calls) =>
        RpcSuite.MeasureThroughput(_socket, Image, Function, PayloadBytes, Window, calls, _context.FarCpu, _pin);

    public override double MeasureEchoRoundTrip(int calls) =>
        RpcSuite.MeasureEchoRtt(_bytes.Request, _bytes.Reply, calls, _context.FarCpu, _context.NearCpu, _pin);

    public override double MeasureTcpRoundTrip(int calls) =>
        RpcSuite.MeasureTcpRtt(_server.TcpEndPoint!, _token, Image, Function, PayloadBytes, calls, _context.FarCpu, _pin);

    public override double MeasureTcpEchoRoundTrip(int calls) =>
        RpcSuite.MeasureEchoRtt(_bytes.Request, _bytes.Reply, calls, _context.FarCpu, _context.NearCpu, _pin, overTcp: true);

    public override double MeasureEchoThroughput(int calls) =>
        RpcSuite.MeasureEchoThroughput(_bytes.Request, _bytes.Reply, Window, calls, _context.FarCpu, _context.NearCpu, _pin);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            _node.Dispose();
        }
    }
}
