using System.Net;
using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Execution;
using Wayang.Fast.Gateway.Audit;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc;
using Wayang.Fast.Gateway.Http;
using Wayang.Fast.Gateway.Operations;
using Wayang.Fast.Gateway.Rest;
using Wayang.Fast.Gateway.Webhooks;
using Wayang.Fast.Host.Configuration;

namespace Wayang.Fast.Host.Serving;

/// <summary>The doors over HTTP that the configuration asks for, over one desk.</summary>
internal sealed class HttpDoors : IAsyncDisposable
{
    private readonly OperationDesk _desk;
    private readonly List<IAsyncDisposable> _doors = [];

    private HttpDoors(OperationDesk desk) => _desk = desk;

    /// <summary>Where they listen, in words; empty where there is none.</summary>
    public string Places { get; private set; } = string.Empty;

    /// <summary>What was asked for is served, or the runtime does not start.</summary>
    /// <exception cref="IOException">A place cannot be listened at.</exception>
    public static async Task<HttpDoors> StartAsync(
        ServeOptions options, NodeRuntime runtime, WebhookDesk? webhooks, AuditLog? audit, Reconfiguration configuration, TokenStore? tokens, DaemonPeers? peers, DrainDesk? drain,
        Func<PeerCredentials, int?> authorize, Func<PeerCredentials, OperationScopes> scopes, Func<string?> readiness, StandardErrorLog log)
    {
        var desk = new OperationDesk(
            new OperationPorts(runtime.Tasks, runtime.Monitor, runtime.Life) { Events = runtime.Events.Stream, Webhooks = webhooks, Membership = peers?.Membership, Moves = peers?.Moves, Drain = drain }, defect => log.Warn($"defect in a request: {defect}"), audit: audit);
        var doors = new HttpDoors(desk);
        var certificates = configuration.Certificates;
        try
        {
            if (options.Settings.Grpc is { IsOpen: true } settings)
            {
                var grpc = await GrpcServer.StartAsync(Options(settings, certificates, options.Settings, tokens, authorize, scopes, readiness, log), desk);
                doors.Add("grpc", settings, grpc.Port, grpc);
            }

            if (options.Settings.Rest is { IsOpen: true } open)
            {
                var rest = await RestServer.StartAsync(Options(open, certificates, options.Settings, tokens, authorize, scopes, readiness, log), desk, () => configuration.InForce);
                doors.Add("rest", open, rest.Port, rest);
            }
        }
        catch
        {
            await doors.DisposeAsync();
            throw;
        }

        return doors;
    }

    public async ValueTask DisposeAsync()
    {
        _desk.Stop();
        foreach (var door in _doors)
        {
            await door.DisposeAsync();
        }

        _desk.Dispose();
    }

    private static HttpDoorOptions Options(
        DoorSettings settings, DoorCertificates? certificates, FileSettings all, TokenStore? tokens, Func<PeerCredentials, int?> authorize, Func<PeerCredentials, OperationScopes> scopes, Func<string?> readiness, StandardErrorLog log)
    {
        if (certificates is null && settings.Address is { } address && !IPAddress.IsLoopback(address.Address))
        {
            log.Warn($"{address} is open to other hosts, and nothing there is encrypted: let it be reached through a tunnel or a private network only");
        }

        return new HttpDoorOptions
        {
            EndPoint = settings.Address, AllowRemote = settings.AllowRemote, SocketPath = settings.SocketPath, Tokens = tokens, Certificates = certificates, Authorize = authorize,
            ScopesOf = scopes, Readiness = readiness, OnWarning = log.Warn, CallsPerSecondPerIdentity = all.CallsPerSecond,
            MaxConnections = all.Connections, MaxConnectionsPerIdentity = all.ConnectionsPerCaller, MaxConnectionsPerAddress = all.ConnectionsPerAddress,
        };
    }

    private void Add(string name, DoorSettings settings, int port, IAsyncDisposable door)
    {
        _doors.Add(door);
        Places += settings.Address is { } address ? $", {name} at {new IPEndPoint(address.Address, port)}" : string.Empty;
        Places += settings.SocketPath is { } path ? $", {name} at {path}" : string.Empty;
    }
}
