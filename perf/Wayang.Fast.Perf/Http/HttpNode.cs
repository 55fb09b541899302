using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Http;

/// <summary>The installed runtime with gRPC, REST and health open over TCP, a token for them, an image, and a task that has ended.</summary>
internal sealed partial class HttpNode : IDisposable
{
    private const string DaemonUser = "1900000000";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("wayang-perf-http-");
    private readonly ManualResetEventSlim _open = new();
    private readonly InstalledRuntime _runtime;
    private readonly WayangClient _client;
    private volatile string? _grpc;
    private volatile string? _rest;

    public HttpNode(SuiteContext context)
    {
        var tokens = WriteToken();
        var port = FreePort();
        _runtime = new InstalledRuntime(
            context, "http",
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["WAYANG__HTTP_PORT"] = port.ToString(CultureInfo.InvariantCulture),
                ["WAYANG__GRPC__ADDRESS"] = "127.0.0.1:0",
                ["WAYANG__REST__ADDRESS"] = "127.0.0.1:0",
                ["WAYANG__RPC_TCP__TOKENS_FILE"] = tokens,
                ["WAYANG__WORKERS__CONCURRENCY"] = "64", // as rpc.throughput has it
                ["WAYANG__RETENTION__TASKS"] = "10000",
            },
            ReadLog);
        try
        {
            _client = _runtime.ConnectAsync().GetAwaiter().GetResult();
            _client.PutImageAsync("c", File.ReadAllBytes(Path.Combine(context.References, "perf_plugin.so")), Image).GetAwaiter().GetResult();
            if (!_open.Wait(s_patience))
            {
                throw new PerfException("the runtime does not say where gRPC and REST are");
            }

            Health = FormattableString.Invariant($"http://127.0.0.1:{port}/healthz");
        }
        catch
        {
            _runtime.Dispose();
            throw;
        }
    }

    public static int PayloadBytes => 16;

    public static string Image => "perf";

    public static string Function => "echo";

    public string Token { get; } = AccessToken.NewSecret();

    /// <summary>http://ADDRESS:PORT</summary>
    public string Grpc => $"http://{_grpc}";

    public string Rest => $"http://{_rest}";

    /// <summary>An endpoint of the same process that does nothing.</summary>
    public string Health { get; }

    /// <summary>Calls that succeeded since the start.</summary>
    public async Task<long> CountSucceededAsync() => (await _client.NodeStatsAsync())["tasks_succeeded"];

    /// <summary>The id of a task that has ended; it is remembered until thousands of others have.</summary>
    public async Task<string> EndOneAsync()
    {
        var id = await _client.SubmitAsync(TaskSpec.Call(Image, Function, new byte[PayloadBytes]));
        await _client.WaitAsync(id);
        return id.ToString();
    }

    public void Dispose()
    {
        _client.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _runtime.Dispose();
        _open.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>A file that the daemon's user owns, as a token file has to be.</summary>
    private string WriteToken()
    {
        var path = Path.Combine(_folder.FullName, "tokens");
        TokenFile.Add(path, new AccessToken("perf", Tenant: 0, OperationScopes.All, AccessToken.HashOf(Token), Expires: null));
        if (Environment.IsPrivilegedProcess)
        {
            using var open = Process.Start("chmod", ["o+x", _folder.FullName]);
            open.WaitForExit();
            using var give = Process.Start("chown", [DaemonUser, path]);
            give.WaitForExit();
        }

        return path;
    }

    private void ReadLog(string? line)
    {
        if (line is null)
        {
            return;
        }

        _grpc = GrpcPlace().Match(line) is { Success: true } grpc ? grpc.Groups["place"].Value : _grpc;
        _rest = RestPlace().Match(line) is { Success: true } rest ? rest.Groups["place"].Value : _rest;
        if (_grpc is not null && _rest is not null)
        {
            _open.Set();
        }
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    [GeneratedRegex("grpc at (?<place>127\\.0\\.0\\.1:[0-9]+)", RegexOptions.None, 1_000)]
    private static partial Regex GrpcPlace();

    [GeneratedRegex("rest at (?<place>127\\.0\\.0\\.1:[0-9]+)", RegexOptions.None, 1_000)]
    private static partial Regex RestPlace();
}
