#pragma warning disable CA1416 // The runtime is Linux only: files have modes here.
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Grpc.Wire;
using Wayang.Fast.Gateway.Tests.Grpc;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>The doors over HTTP with TLS: who is known by a certificate, and who is not let in.</summary>
[Trait("Promise", "COM7")]
public sealed class TlsTests : IDisposable
{
    private const int Tenant = 3;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-tls-");
    private readonly PrivateAuthority _authority;
    private readonly string _tokens;

    public TlsTests()
    {
        _authority = new PrivateAuthority(Path.Combine(_directory.FullName, "pki"));
        _authority.Create("authority of a test", TimeSpan.FromDays(1));
        _authority.Issue("localhost", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        _tokens = Path.Combine(_directory.FullName, "tokens");
        TokenFile.Add(_tokens, new AccessToken("ci", Tenant, OperationScopes.Submit, "cert:ci", Expires: null));
        TokenFile.Add(_tokens, new AccessToken("late", Tenant, OperationScopes.Submit, "cert:late", DateTimeOffset.UtcNow.AddSeconds(-2)));
        TokenFile.Add(_tokens, new AccessToken("first", Tenant, OperationScopes.All, "cert:twice", Expires: null));
        TokenFile.Add(_tokens, new AccessToken("second", Tenant + 1, OperationScopes.All, "cert:twice", Expires: null));
        TokenFile.Add(_tokens, new AccessToken("bearer", Tenant, OperationScopes.All, AccessToken.HashOf("wayang_bearer"), Expires: null));
    }

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_certificate_is_the_identity_that_the_file_of_tokens_says()
    {
        var tokens = TokenStore.Open(_tokens);
        await using var fixture = await StartAsync(tokens);
        using var ci = Client(fixture.Port, Issue("ci"));
        Assert.Equal(200, (await RestFixture.AskAsync(ci, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
        var (status, refusal) = await RestFixture.AskAsync(ci, HttpMethod.Post, "/v1/scans", "{}");
        Assert.True(status is 403 or 404, $"{status}: {refusal}");
        Assert.Equal(403, (await RestFixture.AskAsync(ci, HttpMethod.Get, "/v1/workers")).Status);

        // Names without a line, with two, or past their time.
        foreach (var name in new[] { "nobody", "twice", "late" })
        {
            using var other = Client(fixture.Port, Issue(name));
            var (code, told) = await RestFixture.AskAsync(other, HttpMethod.Get, "/v1/node");
            Assert.Equal(401, code);
            Assert.Contains("--cert", told.ToString(), StringComparison.Ordinal);
        }

        // Revoked: on the connection that is open, too.
        TokenFile.Remove(_tokens, "ci");
        tokens.Reload();
        Assert.Equal(401, (await RestFixture.AskAsync(ci, HttpMethod.Get, "/v1/node")).Status);
    }

    [Fact]
    public async Task Without_a_certificate_a_token_is_asked_for_and_a_certificate_of_somebody_else_is_no_certificate()
    {
        await using var fixture = await StartAsync(TokenStore.Open(_tokens));
        using var nobody = Client(fixture.Port, certificate: null);
        Assert.Equal(401, (await RestFixture.AskAsync(nobody, HttpMethod.Get, "/v1/node")).Status);
        using var bearer = Client(fixture.Port, certificate: null, "wayang_bearer");
        Assert.Equal(200, (await RestFixture.AskAsync(bearer, HttpMethod.Get, "/v1/node")).Status);

        var wrong = new PrivateAuthority(Path.Combine(_directory.FullName, "other"));
        wrong.Create("authority of a test", TimeSpan.FromDays(1));
        foreach (var certificate in new[] { Load(wrong.Issue("ci", isServer: false, [], TimeSpan.FromHours(1))), SelfSigned("ci"), Load(_authority.Issue("server-ci", isServer: true, ["ci"], TimeSpan.FromHours(1))) })
        {
            using var stranger = Client(fixture.Port, certificate);
            await Assert.ThrowsAsync<HttpRequestException>(() => RestFixture.AskAsync(stranger, HttpMethod.Get, "/v1/node"));
        }

        using var plain = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{fixture.Port}") };
        await Assert.ThrowsAsync<HttpRequestException>(() => RestFixture.AskAsync(plain, HttpMethod.Get, "/v1/node"));
    }

    [Fact]
    public async Task Where_a_certificate_is_required_a_token_alone_lets_nobody_in()
    {
        await using var fixture = await StartAsync(TokenStore.Open(_tokens), isRequired: true);
        using var bearer = Client(fixture.Port, certificate: null, "wayang_bearer");
        await Assert.ThrowsAsync<HttpRequestException>(() => RestFixture.AskAsync(bearer, HttpMethod.Get, "/v1/node"));
        using var both = Client(fixture.Port, Issue("ci"), "wayang_bearer");
        Assert.Equal(200, (await RestFixture.AskAsync(both, HttpMethod.Get, "/v1/node")).Status);
    }

    [Fact]
    public async Task Later_certificates_are_shown_without_a_restart_and_useless_ones_change_nothing()
    {
        var certificates = Certificates();
        await using var fixture = await RestFixture.StartAsync(TokenStore.Open(_tokens), configure: options => options with { Certificates = certificates });
        var before = await SerialAsync(fixture.Port);
        Assert.Throws<IOException>(() => certificates.Replace("no certificate", clientAuthority: null));
        Assert.Equal(before, await SerialAsync(fixture.Port));
        var (later, key, _) = _authority.Issue("later", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1));
        certificates.Replace(File.ReadAllText(later) + File.ReadAllText(key), clientAuthority: null);
        Assert.NotEqual(before, await SerialAsync(fixture.Port));
    }

    [Fact]
    public async Task The_door_of_gRPC_shows_and_asks_the_same()
    {
        await using var fixture = await GrpcFixture.StartAsync(TokenStore.Open(_tokens), configure: options => options with { Certificates = Certificates() });
        using var channel = GrpcChannel.ForAddress($"https://127.0.0.1:{fixture.Port}", new GrpcChannelOptions { HttpHandler = Handler(Issue("ci")) });
        var end = await new Runtime.RuntimeClient(channel).TaskRunAsync(GrpcFixture.Call("echo"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("succeeded", end.State);
        using var stranger = GrpcChannel.ForAddress($"https://127.0.0.1:{fixture.Port}", new GrpcChannelOptions { HttpHandler = Handler(certificate: null) });
        var refused = await GrpcFixture.RefusedAsync(() => new Runtime.RuntimeClient(stranger).TaskRunAsync(GrpcFixture.Call("echo")).ResponseAsync);
        Assert.Equal("UNAUTHENTICATED", refused.Reason);
    }

    [Fact]
    public void Keys_are_closed_and_nothing_is_written_over()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_authority.KeyPath));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_directory.FullName, "pki", "localhost-key.pem")));
        Assert.Throws<IOException>(() => _authority.Create("again", TimeSpan.FromDays(1)));
        Assert.Throws<IOException>(() => _authority.Issue("localhost", isServer: true, [], TimeSpan.FromDays(1)));
        Assert.True(_authority.Issue("long", isServer: true, [], TimeSpan.FromDays(1000)).Until < DateTimeOffset.UtcNow.AddDays(2));
    }

    private Task<RestFixture> StartAsync(TokenStore tokens, bool isRequired = false) =>
        RestFixture.StartAsync(tokens, configure: options => options with { Certificates = Certificates(isRequired) });

    private DoorCertificates Certificates(bool isRequired = false)
    {
        var pki = Path.Combine(_directory.FullName, "pki");
        return new(File.ReadAllText(Path.Combine(pki, "localhost.pem")) + File.ReadAllText(Path.Combine(pki, "localhost-key.pem")), File.ReadAllText(_authority.CertificatePath), isRequired);
    }

    private X509Certificate2 Issue(string name) => Load(_authority.Issue(name, isServer: false, [], TimeSpan.FromHours(1)));

    private static X509Certificate2 Load((string Certificate, string Key, DateTimeOffset Until) files) => X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    private HttpClient Client(int port, X509Certificate2? certificate, string? token = null)
    {
        var client = new HttpClient(Handler(certificate)) { BaseAddress = new Uri($"https://127.0.0.1:{port}") };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new("Bearer", token);
        return client;
    }

    /// <summary>Believes the authority of this test only, and looks at the name.</summary>
    private SocketsHttpHandler Handler(X509Certificate2? certificate) => new()
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            LocalCertificateSelectionCallback = certificate is null ? null : (_, _, _, _, _) => certificate,
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(_authority.CertificatePath) },
                RevocationMode = X509RevocationMode.NoCheck,
            },
        },
    };

    private static async Task<string> SerialAsync(int port)
    {
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync("127.0.0.1", port);
        await using var stream = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, static (_, shown, _, _) => shown is not null);
        await stream.AuthenticateAsClientAsync("localhost");
        return stream.RemoteCertificate!.GetSerialNumberString();
    }
}
