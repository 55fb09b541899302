using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>MessagePack-RPC over TLS: the same as without, for who believes the node and is believed.</summary>
[Trait("Promise", "COM7")]
public sealed class RpcTlsTests : IDisposable
{
    private const string Secret = "wayang_of-a-test";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-rpc-tls-");
    private readonly PrivateAuthority _authority;
    private readonly string _tokens;

    public RpcTlsTests()
    {
        _authority = new PrivateAuthority(Path.Combine(_directory.FullName, "pki"));
        _authority.Create("authority of a test", TimeSpan.FromDays(1));
        _authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        _tokens = Path.Combine(_directory.FullName, "tokens");
        TokenFile.Add(_tokens, new AccessToken("bearer", Tenant: 3, OperationScopes.All, AccessToken.HashOf(Secret), Expires: null));
        TokenFile.Add(_tokens, new AccessToken("ci", Tenant: 3, OperationScopes.Submit, "cert:ci", Expires: null));
    }

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_client_with_a_token_does_everything()
    {
        await using var fixture = Start();
        await using var client = await ConnectAsync(fixture, Secret);
        var results = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => client.RunCallAsync("demo", "echo_later", "x"u8.ToArray())));
        Assert.All(results, static result => Assert.True(result.Succeeded));
        var large = new byte[8 << 20];
        new Random(1).NextBytes(large);
        var echoed = await client.RunCallAsync("demo", "echo", large);
        Assert.True(large.AsSpan().SequenceEqual(echoed.Output.Span));
    }

    [Fact]
    public async Task A_certificate_opens_the_session_that_its_line_says_until_the_line_is_gone()
    {
        var tokens = TokenStore.Open(_tokens);
        await using var fixture = Start(tokens);
        var ci = _authority.Issue("ci", isServer: false, [], TimeSpan.FromHours(1));
        await using var client = await ConnectAsync(fixture, token: null, ClientCertificates.Read(_authority.CertificatePath, ci.Certificate, ci.Key));
        Assert.True((await client.RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
        Assert.Equal(ErrorCode.PermissionDenied, (await Assert.ThrowsAsync<WayangException>(() => client.ListWorkersAsync())).Code);

        var other = _authority.Issue("other", isServer: false, [], TimeSpan.FromHours(1));
        var unknown = await Assert.ThrowsAsync<WayangException>(() => ConnectAsync(fixture, token: null, ClientCertificates.Read(_authority.CertificatePath, other.Certificate, other.Key)));
        Assert.Equal(ErrorCode.Unauthenticated, unknown.Code);

        TokenFile.Remove(_tokens, "ci");
        fixture.Server.ReloadTokens();
        Assert.Equal(ErrorCode.Unauthenticated, (await Assert.ThrowsAsync<WayangException>(() => client.RunCallAsync("demo", "echo", "x"u8.ToArray()))).Code);
    }

    [Fact]
    public async Task Who_is_not_believed_is_told_and_leaves_nothing_behind()
    {
        await using var fixture = Start();
        var wrongToken = await Assert.ThrowsAsync<WayangException>(() => ConnectAsync(fixture, Secret + "x"));
        Assert.Equal((ErrorCode.Unauthenticated, "token"), (wrongToken.Code, wrongToken.Field));

        // An authority that the client does not know, a name that the certificate has not, a client's certificate of another authority.
        var wrong = new PrivateAuthority(Path.Combine(_directory.FullName, "wrong"));
        wrong.Create("authority of a test", TimeSpan.FromDays(1));
        var stranger = wrong.Issue("ci", isServer: false, [], TimeSpan.FromHours(1));
        Assert.Contains("no encrypted connection", (await RefusedAsync(fixture, ClientCertificates.Read(wrong.CertificatePath))).Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.Unauthenticated, (await RefusedAsync(fixture, ClientCertificates.Read(_authority.CertificatePath), "localhost")).Code);
        await Assert.ThrowsAsync<WayangException>(() => ConnectAsync(fixture, token: null, ClientCertificates.Read(_authority.CertificatePath, stranger.Certificate, stranger.Key)));

        // No TLS at all.
        Assert.Equal(ErrorCode.Unavailable, (await Assert.ThrowsAsync<WayangException>(() => WayangClient.ConnectAsync(new WayangClientOptions
        {
            Endpoint = WayangEndpoint.Tcp("127.0.0.1", fixture.Server.TcpEndPoint!.Port), Token = Secret,
        }))).Code);
        // Who refuses the node's certificate has shaken hands before it looked at it.
        await Eventually.TrueAsync("both handshakes failed, and nobody is connected", () => fixture.Server.FailedHandshakes >= 2 && fixture.Server.ConnectionCount == 0);
        await using var client = await ConnectAsync(fixture, Secret);
        Assert.True((await client.RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
    }

    [Fact]
    public async Task Who_never_shakes_hands_is_closed_and_who_leaves_is_forgotten()
    {
        await using var fixture = Start(sessionTimeout: TimeSpan.FromMilliseconds(200));
        using var silent = fixture.OpenTcp();
        Assert.Equal(0, await silent.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken).AsTask().WaitAsync(s_patience, TestContext.Current.CancellationToken));

        using var half = fixture.OpenTcp();
        half.Send([22, 3, 1, 2, 0, 1]);
        Assert.Equal(0, await ReadAsync(half));
        await Eventually.TrueAsync("nobody is connected", () => fixture.Server.ConnectionCount == 0);
    }

    /// <summary>PS2: calls of other nodes come from those that the configuration names, and from nobody else, whatever else they may here.</summary>
    [Fact]
    public async Task A_connection_for_a_call_is_for_peers_alone()
    {
        var host = new CarryingHost();
        await using var fixture = Start(visits: host);
        foreach (var name in (string?[])[null, "ci", "beta"])
        {
            var failed = fixture.Server.FailedHandshakes;
            await using var stream = await OpenForCallAsync(fixture, name);
            if (name == "beta")
            {
                Assert.Equal(CallWordKind.Ready, (await CallWord.ReadAsync(stream, TestContext.Current.CancellationToken).WaitAsync(s_patience, TestContext.Current.CancellationToken)).Kind);
                Assert.Equal(1, fixture.Server.ConnectionCount);
                continue;
            }

            await Eventually.TrueAsync("it is closed, and counted", () => fixture.Server.FailedHandshakes == failed + 1 && fixture.Server.ConnectionCount == 0);
            Assert.Equal(0, await stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken).AsTask().WaitAsync(s_patience, TestContext.Current.CancellationToken));
        }

        await Eventually.TrueAsync("the peer's is forgotten when it has gone", () => fixture.Server.ConnectionCount == 0);
        Assert.Equal(["node beta"], host.Peers);
    }

    [Fact]
    public async Task An_address_whose_handshakes_stand_still_takes_no_place_of_others()
    {
        await using var fixture = Start(sessionTimeout: TimeSpan.FromMinutes(10)); // nobody is given up by time
        var stalled = new List<Socket>();
        for (var i = 0; i < 64; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
            await socket.ConnectAsync(fixture.Server.TcpEndPoint!, TestContext.Current.CancellationToken);
            socket.Send([22, 3, 1, 2, 0, 1]);
            stalled.Add(socket);
        }

        await Eventually.TrueAsync("all places are taken", () => fixture.Server.ConnectionCount == stalled.Count);
        var clients = new List<WayangClient>();
        for (var i = 0; i < 8; i++)
        {
            clients.Add(await ConnectAsync(fixture, Secret)); // each is served at once
            Assert.True((await clients[^1].RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
        }

        // One lost its place, the oldest; the others keep theirs, as each client left its own when it had its session.
        Assert.Equal(0, await ReadAsync(stalled[0]));
        await Eventually.TrueAsync("the rest is there", () => fixture.Server.ConnectionCount == stalled.Count - 1 + clients.Count);
        stalled.ForEach(static socket => socket.Dispose());
        await Eventually.TrueAsync("those who went are forgotten", () => fixture.Server.ConnectionCount == clients.Count);
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_client_that_goes_in_the_middle_takes_its_connection_along()
    {
        await using var fixture = Start();
        var client = await ConnectAsync(fixture, Secret);
        Assert.True((await client.RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
        Assert.Equal(1, fixture.Server.ConnectionCount);

        // It awaits an end, which it could do also after it has ended its side in order.
        var waiting = client.WaitAsync(await client.SubmitAsync(TaskSpec.Call("demo", "forever")));
        await Eventually.TrueAsync("the task runs", () => fixture.Tasks.WaiterCount == 1);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<WayangException>(() => waiting);
        await Eventually.TrueAsync("nobody is connected", () => fixture.Server.ConnectionCount == 0);
    }

    private static async Task<int> ReadAsync(Socket socket)
    {
        try
        {
            // An alert may come first.
            int count;
            var buffer = new byte[256];
            while ((count = await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken).AsTask().WaitAsync(s_patience, TestContext.Current.CancellationToken)) > 0)
            {
            }

            return count;
        }
        catch (SocketException)
        {
            return 0; // reset: closed as well
        }
    }

    private async Task<SslStream> OpenForCallAsync(ServerFixture fixture, string? name)
    {
        var stream = new SslStream(new NetworkStream(fixture.OpenTcp(), ownsSocket: true));
        var files = name is null ? default : _authority.Issue(name, isServer: false, [], TimeSpan.FromHours(1));
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "127.0.0.1", ApplicationProtocols = [CallStream.Protocol], ClientCertificates = name is null ? [] : [X509Certificate2.CreateFromPemFile(files.Certificate, files.Key)],
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(_authority.CertificatePath) },
                    RevocationMode = X509RevocationMode.NoCheck,
                },
            },
            TestContext.Current.CancellationToken);
        Assert.Equal(CallStream.Protocol, stream.NegotiatedApplicationProtocol);
        return stream;
    }

    private Task<WayangException> RefusedAsync(ServerFixture fixture, ClientCertificates certificates, string host = "127.0.0.1") =>
        Assert.ThrowsAsync<WayangException>(() => ConnectAsync(fixture, Secret, certificates, host));

    private Task<WayangClient> ConnectAsync(ServerFixture fixture, string? token, ClientCertificates? certificates = null, string host = "127.0.0.1") =>
        WayangClient.ConnectAsync(new WayangClientOptions
        {
            Endpoint = WayangEndpoint.Tls(host, fixture.Server.TcpEndPoint!.Port), Token = token, Certificates = certificates ?? ClientCertificates.Read(_authority.CertificatePath),
        });

    private ServerFixture Start(TokenStore? tokens = null, TimeSpan? sessionTimeout = null, CarryingHost? visits = null)
    {
        var peers = new PeerCertificates();
        peers.Replace([new PeerCertificate("node beta", "beta", Fingerprint: null)]);
        var pki = Path.Combine(_directory.FullName, "pki");
        var certificates = new DoorCertificates(
            File.ReadAllText(Path.Combine(pki, "node.pem")) + File.ReadAllText(Path.Combine(pki, "node-key.pem")), File.ReadAllText(_authority.CertificatePath));
        return new(options =>
        {
            var open = ServerFixture.OverTcp(options, tokens ?? TokenStore.Open(_tokens));
            return open with { Visits = visits, Tcp = open.Tcp! with { Certificates = certificates, Peers = peers, SessionTimeout = sessionTimeout ?? open.Tcp.SessionTimeout } };
        });
    }
}
