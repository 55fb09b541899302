using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>Daemons on this host that are each other's peers, under one authority, each with a place and an instance of its own.</summary>
internal sealed class PeerNodes : IAsyncDisposable
{
    // Below /var/tmp, and open to the daemons' own user, who reads the certificates.
    private readonly string _directory = Directory.CreateDirectory("/var/tmp/wayang-peers-" + Guid.NewGuid().ToString("N")).FullName;
    private readonly Dictionary<string, int> _ports = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, RuntimeUnderTest> _nodes = new(StringComparer.Ordinal); // they start side by side

    private PeerNodes()
    {
        Authority = new PrivateAuthority(Path.Combine(_directory, "pki"));
        Authority.Create("authority of a test", TimeSpan.FromDays(1));
    }

    public PrivateAuthority Authority { get; }

    /// <summary>For what the nodes of a test need; their user can read it.</summary>
    public string Place => _directory;

    /// <summary>Where connections to a node go in its stead; null: to itself.</summary>
    public Func<string, int, int>? Through { get; init; }

    /// <summary>Nothing is started yet.</summary>
    public static PeerNodes Prepare(params string[] names) => Prepare(null, names);

    /// <param name="through">See <see cref="Through"/>.</param>
    /// <param name="names">Of the nodes.</param>
    public static PeerNodes Prepare(Func<string, int, int>? through, params string[] names)
    {
        var nodes = new PeerNodes { Through = through };
        foreach (var name in names)
        {
            nodes.Authority.Issue(name, isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1), isPeer: true);
            nodes._ports[name] = FreePort();
        }

        nodes.Give();
        return nodes;
    }

    public RuntimeUnderTest this[string name] => _nodes[name];

    public WayangEndpoint PlaceOf(string name) => WayangEndpoint.Tls("127.0.0.1", _ports[name]);

    /// <param name="name">One that was prepared.</param>
    /// <param name="more">Lines of its configuration beside what makes it a peer of all others.</param>
    /// <param name="certificate">What it shows, of the authority's directory; null: its own.</param>
    /// <param name="wayang">Another copy of the program; null: the one that was built.</param>
    /// <param name="environment">Of the node.</param>
    public async Task StartAsync(string name, string more = "", string? certificate = null, string? wayang = null, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var pki = Path.GetDirectoryName(Authority.CertificatePath);
        var peers = string.Concat(_ports.Where(other => other.Key != name).Select(other => $"  - {{name: {other.Key}, address: 'tls://127.0.0.1:{Through?.Invoke(other.Key, other.Value) ?? other.Value}'}}\n"));
        _nodes[name] = await RuntimeUnderTest.StartAsync(Installation.IsRoot ? Account.Root : Account.Unprivileged, $$"""
            http_port: 0
            node: {name: {{name}}, heartbeat_ms: 200}
            rpc_tcp: {address: '127.0.0.1:{{_ports[name]}}'}
            tls: {certificate_file: {{pki}}/{{certificate ?? name}}.pem, key_file: {{pki}}/{{certificate ?? name}}-key.pem, client_ca_file: {{Authority.CertificatePath}}}
            peers:
            {{peers}}
            {{more}}
            """, wayang, environment);
    }

    /// <summary>A client that shows a certificate of the authority.</summary>
    public Task<WayangClient> ShowAsync(string node, string certificate) => WayangClient.ConnectAsync(new WayangClientOptions
    {
        Endpoint = PlaceOf(node), CertificateName = node, ReconnectTimeout = TimeSpan.Zero,
        Certificates = ClientCertificates.Read(Authority.CertificatePath, InPki(certificate + ".pem"), InPki(certificate + "-key.pem")),
    });

    /// <param name="node">Which is asked.</param>
    /// <param name="peer">Of whom.</param>
    /// <param name="state">In which the node finds the peer.</param>
    /// <param name="reason">What the node says of it, in part: a node that has not tried yet says nothing.</param>
    public async Task<PeerInfo> AwaitAsync(string node, string peer, PeerState state, string reason = "")
    {
        PeerInfo? last = null;
        try
        {
            return await Eventually.ValueAsync($"{node} finds {peer} {state} {reason}", async () =>
                (last = await LookAsync(node, peer)) is { } info && info.State == state && info.Reason.Contains(reason, StringComparison.Ordinal) ? info : null);
        }
        catch (Exception) when (last is not null)
        {
            Assert.Fail($"{node} finds {peer} {last}:\n{_nodes[node].Processes.Log}");
            throw;
        }
    }

    /// <returns>Null: it knows none, or was just killed, and answers once more before it is gone with all its threads.</returns>
    private async Task<PeerInfo?> LookAsync(string node, string peer)
    {
        try
        {
            await using var client = await _nodes[node].ConnectAsync();
            return (await client.ListPeersAsync()).Peers.FirstOrDefault(p => p.Name == peer);
        }
        catch (WayangException gone) when (gone.Code is ErrorCode.NodeLost or ErrorCode.Unavailable)
        {
            return null;
        }
    }

    /// <summary>The daemons' own user may read what was issued.</summary>
    public void Give()
    {
        if (Installation.IsRoot)
        {
            using var give = Process.Start("chown", ["-R", "1900000000", Path.GetDirectoryName(Authority.CertificatePath)!]);
            give.WaitForExit();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes.Values)
        {
            await node.DisposeAsync();
        }

        Directory.Delete(_directory, recursive: true);
    }

    private string InPki(string file) => Path.Combine(Path.GetDirectoryName(Authority.CertificatePath)!, file);

    /// <summary>None of those that the system gives to connections: one of them may be gone before the node listens, and again whenever it is started anew.</summary>
    private static int FreePort()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(10_240, 32_768));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // The next one.
            }
        }
    }
}
