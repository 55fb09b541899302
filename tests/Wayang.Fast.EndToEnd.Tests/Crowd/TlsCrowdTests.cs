using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Wayang.Fast.Client;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Crowd;

/// <summary>
/// Many encrypted connections at each TCP door: some came through the handshake and are idle, some stand still in the middle of it (half a ClientHello, or a whole one whose answer is not
/// read). Who works is served beside them, memory is bounded, and whoever stands still is given up. WAYANG_TEST_LONG=1: a thousand at each door.
/// </summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM7")]
public sealed class TlsCrowdTests(ITestOutputHelper output) : ServeTest
{
    private const int Bound = 500_000;
    private const int Workers = 2;

    /// <summary>Of an encrypted connection: two SslStreams' worth of buffers, the session's keys (which no collector sees), its objects.</summary>
    private const long EncryptedBytes = 192 << 10;
    private const long Slack = 200 << 20;

    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";
    private static readonly int s_count = s_isLong ? 1_000 : 100;

    [Fact(Timeout = Bound)]
    public async Task Who_works_is_served_beside_handshakes_that_stand_still_and_these_are_given_up()
    {
        var token = AccessToken.NewSecret();
        var (doors, trusted) = await PrepareAsync(token);
        await using var serve = await StartAsync();
        var daemon = DaemonOf(serve);
        var hello = await HelloAsync();
        await AskAllAsync(doors, trusted, token, once: true, TestContext.Current.CancellationToken);
        var baseline = RawRequest.ResidentBytes(daemon);

        using var stop = new CancellationTokenSource();
        var working = AskAllAsync(doors, trusted, token, once: false, stop.Token);
        var idle = new List<SslStream>();
        var stalled = new List<Socket>();
        foreach (var door in doors)
        {
            for (var i = 0; i < s_count * 2 / 3; i++)
            {
                idle.Add(await EncryptAsync(door, token));
            }
        }

        foreach (var door in doors)
        {
            for (var i = 0; i < s_count / 3; i++)
            {
                stalled.Add(await StallAsync(door.Place, i % 2 == 0 ? hello[..(hello.Length / 2)] : hello));
            }
        }

        // Somebody else comes while they stand still: the crowd's address holds all places of those without a session, and loses some.
        var newcomers = await Task.WhenAll(doors.SelectMany(door => Enumerable.Range(0, 8).Select(_ => ComeAsync(door, token))));

        // All at once; each is given up by the node, nobody by us.
        var ends = await Task.WhenAll(stalled.Select(static socket => EndAsync(socket)));
        var most = RawRequest.ResidentBytes(daemon);
        await stop.CancelAsync();
        var served = await working;
        var allowed = baseline + Slack + (doors.Count * s_count * EncryptedBytes);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{idle.Count} encrypted connections and {stalled.Count} handshakes that stood still, the last given up after {ends.Max().TotalSeconds:F1} s; memory {baseline >> 20} MiB before, {most >> 20} then, {allowed >> 20} allowed; served: {string.Join(", ", served.Select(static s => string.Create(CultureInfo.InvariantCulture, $"{s.Door} {s.Times.Count} (p99 {P99(s.Times).TotalMilliseconds:F1} ms)")))}; newcomers' handshakes: the slowest of {newcomers.Length} {newcomers.Max().TotalMilliseconds:F0} ms"));
        Assert.True(most < allowed, $"{most >> 20} MiB, {allowed >> 20} allowed");
        Assert.All(served, static s => Assert.True(s.Times.Count > 0, $"nobody was served at {s.Door}"));
        Assert.Equal(daemon, DaemonOf(serve));
        await AskAllAsync(doors, trusted, token, once: true, TestContext.Current.CancellationToken); // and who comes now
        idle.ForEach(static stream => stream.Dispose());
        await EndAsync(serve);
    }

    private async Task<(List<(string Name, IPEndPoint Place)> Doors, ClientCertificates Trusted)> PrepareAsync(string token)
    {
        var pki = Path.Combine(Scratch, "pki");
        var authority = new PrivateAuthority(pki);
        authority.Create("authority of a crowd", TimeSpan.FromDays(1));
        authority.Issue("node", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(2));
        var tokens = Path.Combine(Scratch, "tokens");
        TokenFile.Add(tokens, new AccessToken("crowd", Tenant: 0, Contracts.Operations.OperationScopes.All, AccessToken.HashOf(token), Expires: null));
        List<(string Name, IPEndPoint Place)> doors = [.. new[] { "rpc", "grpc", "rest" }.Select(static name => (name, new IPEndPoint(IPAddress.Loopback, FreePort())))];
        var bound = (2 * s_count) + 64;
        Configure($$"""
            http_port: 0
            rpc_tcp: {address: '{{doors[0].Place}}', tokens_file: {{tokens}}}
            grpc: {address: '{{doors[1].Place}}'}
            rest: {address: '{{doors[2].Place}}'}
            tls: {certificate_file: {{pki}}/node.pem, key_file: {{pki}}/node-key.pem}
            security: {connections: {{4 * bound}}, connections_per_caller: {{2 * bound}}, connections_per_address: {{4 * bound}}}

            """);
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["1900000000", tokens]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        return (doors, ClientCertificates.Read(authority.CertificatePath));
    }

    /// <summary>What a client says first.</summary>
    private static async Task<byte[]> HelloAsync()
    {
        using var said = new FirstWords();
        await using var stream = new SslStream(said, leaveInnerStreamOpen: true);
        await Assert.ThrowsAnyAsync<IOException>(() => stream.AuthenticateAsClientAsync("127.0.0.1"));
        Assert.True(said.Written.Length > 64);
        return said.Written.ToArray();
    }

    private static async Task<Socket> StallAsync(EndPoint place, byte[] words)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(place);
        await socket.SendAsync(words);
        return socket;
    }

    /// <returns>After how long the node closed it.</returns>
    private static async Task<TimeSpan> EndAsync(Socket socket)
    {
        using (socket)
        {
            var began = Stopwatch.GetTimestamp();
            try
            {
                while (await socket.ReceiveAsync(new byte[4096]).WaitAsync(Eventually.Patience) > 0)
                {
                    // Its part of the handshake, which nobody answers.
                }
            }
            catch (SocketException)
            {
                // Reset: closed as well.
            }

            return Stopwatch.GetElapsedTime(began);
        }
    }

    /// <summary>From another address, as the first that it does.</summary>
    /// <returns>How long it took until it was in.</returns>
    private static async Task<TimeSpan> ComeAsync((string Name, IPEndPoint Place) door, string token)
    {
        var began = Stopwatch.GetTimestamp();
        await using var stream = await EncryptAsync(door, token, IPAddress.Parse("127.0.0.2")).WaitAsync(Eventually.Patience);
        return Stopwatch.GetElapsedTime(began);
    }

    private static TimeSpan P99(List<TimeSpan> times) => times.Order().ElementAt(times.Count * 99 / 100);

    private static async Task<SslStream> EncryptAsync((string Name, IPEndPoint Place) door, string token, IPAddress? from = null)
    {
        var socket = new TcpClient(new IPEndPoint(from ?? IPAddress.Loopback, 0));
        await socket.ConnectAsync(door.Place);
        var stream = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, static (_, shown, _, _) => shown is not null);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "127.0.0.1", ApplicationProtocols = door.Name == "grpc" ? [SslApplicationProtocol.Http2] : null });
        if (door.Name == "rpc")
        {
            await stream.WriteAsync(RawRequest.OpenSession(token));
            Assert.True(await stream.ReadAsync(new byte[512]) > 0);
        }

        return stream;
    }

    /// <summary>A few clients of each door that ask one thing after the other, or once; how long each door's took for each.</summary>
    private static async Task<List<(string Door, List<TimeSpan> Times)>> AskAllAsync(List<(string Name, IPEndPoint Place)> doors, ClientCertificates trusted, string token, bool once, CancellationToken stop)
    {
        var working = new List<Task<(string Door, List<TimeSpan> Times)>>();
        for (var i = 0; i < Workers; i++)
        {
            working.Add(AskRpcAsync(doors[0].Place, trusted, token, once, stop));
            working.Add(AskHttpAsync(doors[1], token, once, stop));
            working.Add(AskHttpAsync(doors[2], token, once, stop));
        }

        return [.. (await Task.WhenAll(working)).GroupBy(static w => w.Door, StringComparer.Ordinal).Select(static g => (g.Key, g.SelectMany(static w => w.Times).ToList()))];
    }

    private static async Task<(string Door, List<TimeSpan> Times)> AskRpcAsync(IPEndPoint place, ClientCertificates trusted, string token, bool once, CancellationToken stop)
    {
        await using var client = await WayangClient.ConnectAsync(
            new WayangClientOptions { Endpoint = WayangEndpoint.Tls("127.0.0.1", place.Port), Token = token, Certificates = trusted, ConnectTimeout = Eventually.Patience }, CancellationToken.None);
        var times = new List<TimeSpan>();
        do
        {
            var began = Stopwatch.GetTimestamp();
            Assert.NotEmpty(await client.NodeStatsAsync(CancellationToken.None));
            times.Add(Stopwatch.GetElapsedTime(began));
        }
        while (!once && !stop.IsCancellationRequested);
        return ("rpc", times);
    }

    private static async Task<(string Door, List<TimeSpan> Times)> AskHttpAsync((string Name, IPEndPoint Place) door, string token, bool once, CancellationToken stop)
    {
        var isGrpc = door.Name == "grpc";
#pragma warning disable CA5359 // The certificate is looked at by the client of the other door.
        using var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null } };
#pragma warning restore CA5359
        using var client = new HttpClient(handler) { BaseAddress = new Uri($"https://{door.Place}/") };
        var times = new List<TimeSpan>();
        do
        {
            using var request = new HttpRequestMessage(isGrpc ? HttpMethod.Post : HttpMethod.Get, isGrpc ? "wayang.runtime.v1.Runtime/NodeStats" : "v1/node/stats");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            if (isGrpc)
            {
                (request.Version, request.VersionPolicy, request.Content) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact, new ByteArrayContent(new byte[5]));
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
                request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
            }

            var began = Stopwatch.GetTimestamp();
            using var answer = await client.SendAsync(request, CancellationToken.None);
            Assert.NotEmpty(await answer.Content.ReadAsByteArrayAsync(CancellationToken.None));
            Assert.True(answer.IsSuccessStatusCode);
            times.Add(Stopwatch.GetElapsedTime(began));
        }
        while (!once && !stop.IsCancellationRequested);
        return (door.Name, times);
    }

    /// <summary>Keeps what is written first; nothing ever comes back.</summary>
    private sealed class FirstWords : Stream
    {
        public MemoryStream Written { get; } = new();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Written.Write(buffer, offset, count);

        protected override void Dispose(bool disposing)
        {
            Written.Dispose();
            base.Dispose(disposing);
        }
    }
}
