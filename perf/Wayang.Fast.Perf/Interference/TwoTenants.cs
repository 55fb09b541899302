using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Interference;

/// <summary>An installed runtime with two tenants: one on its unix socket, the other with a token over TCP.</summary>
internal sealed class TwoTenants : IDisposable
{
    private const int HostileTenant = 1;

    // The daemon's own, when a keeper of root's starts it.
    private const string DaemonUser = "1900000000";

    private readonly string _tokens = Path.Combine("/var/tmp", $"wayang-perf-tokens-{Environment.ProcessId}");
    private readonly string _secret = AccessToken.NewSecret();
    private readonly int _tcpPort = FreePort();
    private readonly InstalledRuntime _runtime;

    public TwoTenants(SuiteContext context)
    {
        TokenFile.Add(_tokens, new AccessToken("hostile", HostileTenant, OperationScopes.All, AccessToken.HashOf(_secret), Expires: null));
        if (Environment.IsPrivilegedProcess)
        {
            using var chown = Process.Start("chown", [DaemonUser, _tokens]);
            chown.WaitForExit();
        }

        _runtime = new InstalledRuntime(
            context, "interference",
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["WAYANG__HTTP_PORT"] = HttpPort.ToString(CultureInfo.InvariantCulture),
                ["WAYANG__RPC_TCP__ADDRESS"] = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_tcpPort}"),
                ["WAYANG__RPC_TCP__TOKENS_FILE"] = _tokens,
            },
            static line =>
            {
                if (line is not null)
                {
                    Console.Error.WriteLine(line);
                }
            });
    }

    public int HttpPort { get; } = FreePort();

    public string SocketPath => Path.Combine(_runtime.Directory, "wayang.sock");

    public int Keeper => _runtime.Keeper;

    public bool HasEnded => _runtime.HasEnded;

    public Task<WayangClient> ConnectAsync() => _runtime.ConnectAsync();

    public Task<WayangClient> ConnectHostileAsync() => WayangClient.ConnectAsync(new WayangClientOptions
    {
        Endpoint = WayangEndpoint.Tcp("127.0.0.1", _tcpPort), Token = _secret, ConnectTimeout = TimeSpan.FromSeconds(10),
    });

    public void Dispose()
    {
        _runtime.Dispose();
        File.Delete(_tokens);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
