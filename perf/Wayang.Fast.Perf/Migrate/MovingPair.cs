using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Perf.Harness;

namespace Wayang.Fast.Perf.Migrate;

/// <summary>Two installed daemons on this host that are each other's peers, over loopback with certificates of their own, and hand calls to each other.</summary>
internal sealed class MovingPair : IAsyncDisposable
{
    private const string DaemonUid = "1900000000";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly string[] s_names = ["near", "far"];

    private readonly string _place = Directory.CreateDirectory($"/var/tmp/wayang-perf-migrate-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}").FullName;
    private readonly List<InstalledRuntime> _nodes = [];
    private readonly List<WayangClient> _clients = [];

    private MovingPair()
    {
    }

    /// <summary>Of the home of all calls.</summary>
    public WayangClient Home => _clients[0];

    /// <exception cref="PerfException">They do not find each other.</exception>
    public static async Task<MovingPair> StartAsync(SuiteContext context)
    {
        var pair = new MovingPair();
        try
        {
            await pair.BeginAsync(context);
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>The same image at both.</summary>
    public async Task PutAsync(string kind, byte[] content, ImageNames names)
    {
        foreach (var client in _clients)
        {
            await client.PutImageAsync(kind, content, names);
        }
    }

    /// <summary>A call that runs, and is left alone for so long first.</summary>
    public async Task<TaskId> BeginAsync(string image, string function, string input, TimeSpan settle)
    {
        var id = await Home.SubmitAsync(TaskSpec.Call(image, function, System.Text.Encoding.ASCII.GetBytes(input)));
        var since = Stopwatch.GetTimestamp();
        while ((await Home.GetAsync(id)).State < TaskState.Running)
        {
            await Task.Delay(Stopwatch.GetElapsedTime(since) < s_patience ? 5 : throw new PerfException($"{function} does not start"));
        }

        await Task.Delay(settle); // it writes its memory, which is the workload
        return id;
    }

    /// <summary>There and back.</summary>
    public async Task<(TaskMoves There, TaskMoves Back)> RoundAsync(TaskId id) => (await MoveAsync(id, s_names[1]), await MoveAsync(id, null));

    /// <summary>It is asked to stop, and says whether all its memory is what it was.</summary>
    public async Task EndAsync(TaskId id)
    {
        await Home.CancelAsync(id);
        var result = await Home.WaitAsync(id);
        if (result.State is not (TaskState.Cancelled or TaskState.Succeeded))
        {
            throw new PerfException($"a call that was moved ended {result.State}: {result.Cause}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }

        foreach (var node in _nodes)
        {
            node.Dispose();
        }

        Directory.Delete(_place, recursive: true);
    }

    private async Task BeginAsync(SuiteContext context)
    {
        var authority = new PrivateAuthority(Path.Combine(_place, "pki"));
        authority.Create("authority of a measurement", TimeSpan.FromDays(1));
        int[] ports = [FreePort(), FreePort()];
        foreach (var name in s_names)
        {
            authority.Issue(name, isServer: true, ["127.0.0.1"], TimeSpan.FromDays(1), isPeer: true);
            Directory.CreateDirectory(Path.Combine(_place, name));
        }

        for (var i = 0; i < s_names.Length; i++)
        {
            var pki = Path.GetDirectoryName(authority.CertificatePath);
            var file = Path.Combine(_place, $"{s_names[i]}.yaml");
            await File.WriteAllTextAsync(file, string.Create(CultureInfo.InvariantCulture, $$"""
                http_port: 0
                node: {name: {{s_names[i]}}, heartbeat_ms: 200}
                rpc_tcp: {address: '127.0.0.1:{{ports[i]}}'}
                tls: {certificate_file: {{pki}}/{{s_names[i]}}.pem, key_file: {{pki}}/{{s_names[i]}}-key.pem, client_ca_file: {{authority.CertificatePath}}}
                peers: [{name: {{s_names[1 - i]}}, address: 'tls://127.0.0.1:{{ports[1 - i]}}'}]
                state: {directory: {{_place}}/{{s_names[i]}}}
                migration: {compute: transparent}

                """));
        }

        if (Environment.UserName == "root")
        {
            using var give = Process.Start("chown", ["-R", DaemonUid, _place]);
            await give.WaitForExitAsync();
        }

        foreach (var name in s_names)
        {
            _nodes.Add(new InstalledRuntime(
                context, $"migrate-{name}", new Dictionary<string, string>(StringComparer.Ordinal),
                static line =>
                {
                    if (line is not null)
                    {
                        Console.Error.WriteLine(line);
                    }
                },
                Path.Combine(_place, $"{name}.yaml")));
        }

        foreach (var node in _nodes)
        {
            _clients.Add(await node.ConnectAsync());
        }

        var since = Stopwatch.GetTimestamp();
        foreach (var client in _clients)
        {
            while ((await client.ListPeersAsync()).Peers[0].State != PeerState.Connected)
            {
                await Task.Delay(Stopwatch.GetElapsedTime(since) < s_patience ? 20 : throw new PerfException("the nodes do not find each other"));
            }
        }
    }

    /// <summary>Again while it is just being started, or has just come.</summary>
    private async Task<TaskMoves> MoveAsync(TaskId id, string? node)
    {
        while (true)
        {
            try
            {
                return await Home.MigrateAsync(id, node);
            }
            catch (WayangException busy) when (busy is { Code: ErrorCode.Conflict, RetryAfter: { } pause })
            {
                await Task.Delay(pause);
            }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
