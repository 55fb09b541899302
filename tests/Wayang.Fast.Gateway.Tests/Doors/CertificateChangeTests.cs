using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>Certificates that change under connections that are open: those go on, new ones see the later certificate, and callers are believed by the later authority.</summary>
[Trait("Promise", "COM7")]
public sealed class CertificateChangeTests : IDisposable
{
    private const string Secret = "wayang_bearer";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-certs-");
    private readonly PrivateAuthority _former;
    private readonly PrivateAuthority _later;
    private readonly TokenStore _tokens = new([ServerFixture.Token(Secret, "bearer"), new AccessToken("ci", 3, OperationScopes.All, "cert:ci", Expires: null)]);

    public CertificateChangeTests()
    {
        _former = Make("former");
        _later = Make("later");
    }

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task At_REST()
    {
        var certificates = new DoorCertificates(ServerOf(_former), File.ReadAllText(_former.CertificatePath));
        await using var fixture = await RestFixture.StartAsync(_tokens, configure: options => options with { Certificates = certificates });
        using var bearer = Client(fixture.Port, _former, certificate: null);
        using var caller = Client(fixture.Port, _former, ClientOf(_former));
        Assert.Equal(200, await StatusAsync(bearer));
        Assert.Equal(200, await StatusAsync(caller));
        certificates.Replace(ServerOf(_later), File.ReadAllText(_later.CertificatePath));

        // On the connections that are open: a token is a token; a certificate whose authority is no longer believed is none.
        Assert.Equal(200, await StatusAsync(bearer));
        Assert.Equal(401, await StatusAsync(caller));

        using var stale = Client(fixture.Port, _former, certificate: null);
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(stale));
        using var fresh = Client(fixture.Port, _later, ClientOf(_later));
        Assert.Equal(200, await StatusAsync(fresh));
        using var revoked = Client(fixture.Port, _later, ClientOf(_former));
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(revoked));
    }

    [Fact]
    public async Task At_gRPC()
    {
        var certificates = new DoorCertificates(ServerOf(_former), File.ReadAllText(_former.CertificatePath));
        await using var fixture = await GrpcFixture.StartAsync(_tokens, configure: options => options with { Certificates = certificates });
        using var channel = Channel(fixture.Port, _former);
        using var session = Channel(fixture.Port, _former);
        var live = new Runtime.RuntimeClient(session);
        Assert.Equal("succeeded", await RunAsync(live));
        using var sending = live.TaskSubmitMany(Bearer, DateTime.UtcNow.AddSeconds(30), TestContext.Current.CancellationToken);
        await sending.RequestStream.WriteAsync(new TaskSubmitManyRequest { Tasks = { GrpcFixture.Call("echo") } }, TestContext.Current.CancellationToken);
        certificates.Replace(ServerOf(_later), File.ReadAllText(_later.CertificatePath));
        await sending.RequestStream.WriteAsync(new TaskSubmitManyRequest { Tasks = { GrpcFixture.Call("echo") } }, TestContext.Current.CancellationToken);
        await sending.RequestStream.CompleteAsync();
        Assert.Equal(2, (await sending.ResponseAsync).Tasks.Count);
        Assert.Equal("succeeded", await RunAsync(live));
        await Assert.ThrowsAsync<global::Grpc.Core.RpcException>(() => RunAsync(new Runtime.RuntimeClient(channel)));
        using var fresh = Channel(fixture.Port, _later);
        Assert.Equal("succeeded", await RunAsync(new Runtime.RuntimeClient(fresh)));
    }

    [Fact]
    public async Task At_MessagePack_rpc()
    {
        var certificates = new DoorCertificates(ServerOf(_former), File.ReadAllText(_former.CertificatePath));
        await using var fixture = new ServerFixture(options =>
        {
            var open = ServerFixture.OverTcp(options, _tokens);
            return open with { Tcp = open.Tcp! with { Certificates = certificates } };
        });
        await using var live = await ConnectAsync(fixture, _former);
        var waiting = live.RunCallAsync("demo", "echo_later", "x"u8.ToArray());
        certificates.Replace(ServerOf(_later), File.ReadAllText(_later.CertificatePath));
        Assert.True((await waiting).Succeeded);
        Assert.True((await live.RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
        await Assert.ThrowsAsync<WayangException>(() => ConnectAsync(fixture, _former));
        await using var fresh = await ConnectAsync(fixture, _later);
        Assert.True((await fresh.RunCallAsync("demo", "echo", "x"u8.ToArray())).Succeeded);
    }

    private static global::Grpc.Core.Metadata Bearer => new() { { "authorization", "Bearer " + Secret } };

    private static async Task<string> RunAsync(Runtime.RuntimeClient client) => (await client.TaskRunAsync(GrpcFixture.Call("echo"), Bearer, DateTime.UtcNow.AddSeconds(30))).State;

    private static async Task<int> StatusAsync(HttpClient client) => (await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/node")).Status;

    private static Task<WayangClient> ConnectAsync(ServerFixture fixture, PrivateAuthority believed) => WayangClient.ConnectAsync(new WayangClientOptions
    {
        Endpoint = WayangEndpoint.Tls("127.0.0.1", fixture.Server.TcpEndPoint!.Port), Token = Secret, Certificates = ClientCertificates.Read(believed.CertificatePath),
    });

    private PrivateAuthority Make(string name)
    {
        var authority = new PrivateAuthority(Path.Combine(_directory.FullName, name));
        authority.Create("authority " + name, TimeSpan.FromDays(1));
        authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        authority.Issue("ci", isServer: false, [], TimeSpan.FromHours(1));
        return authority;
    }

    private string ServerOf(PrivateAuthority authority) => TextOf(authority, "node.pem") + TextOf(authority, "node-key.pem");

    private X509Certificate2 ClientOf(PrivateAuthority authority) => X509Certificate2.CreateFromPem(TextOf(authority, "ci.pem"), TextOf(authority, "ci-key.pem"));

    private static string TextOf(PrivateAuthority authority, string file) => File.ReadAllText(Path.Combine(Path.GetDirectoryName(authority.CertificatePath)!, file));

    private static GrpcChannel Channel(int port, PrivateAuthority believed) =>
        GrpcChannel.ForAddress($"https://127.0.0.1:{port}", new GrpcChannelOptions { HttpHandler = Handler(believed, certificate: null) });

    private static HttpClient Client(int port, PrivateAuthority believed, X509Certificate2? certificate)
    {
        var client = new HttpClient(Handler(believed, certificate)) { BaseAddress = new Uri($"https://127.0.0.1:{port}") };
        client.DefaultRequestHeaders.Authorization = certificate is null ? new("Bearer", Secret) : null;
        return client;
    }

    private static SocketsHttpHandler Handler(PrivateAuthority believed, X509Certificate2? certificate) => new()
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(believed.CertificatePath) },
                RevocationMode = X509RevocationMode.NoCheck,
            },
        },
    };
}
