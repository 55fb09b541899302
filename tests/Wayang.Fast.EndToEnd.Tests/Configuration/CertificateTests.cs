using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Configuration;

/// <summary>Certificates of a served node whose files are replaced: every door shows the later ones, without a signal, and half a pair changes nothing.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
[Trait("Promise", "COM7")]
public sealed class CertificateTests : ServeTest
{
    private const int Bound = 300_000;

    [Fact(Timeout = Bound)]
    public async Task Every_door_shows_what_the_files_say_and_half_a_pair_is_told()
    {
        var pki = Path.Combine(Scratch, "pki");
        await OrThrowAsync("cert", "init", "--dir", pki);
        await OrThrowAsync("cert", "issue", "first", "--dir", pki, "--san", "localhost");
        await OrThrowAsync("cert", "issue", "second", "--dir", pki, "--san", "localhost");
        await OrThrowAsync("token", "create", "--name", "ci", "--file", Path.Combine(Scratch, "tokens"));
        var (certificate, key) = (Path.Combine(Scratch, "node.pem"), Path.Combine(Scratch, "node-key.pem"));
        File.Copy(Path.Combine(pki, "first.pem"), certificate);
        File.Copy(Path.Combine(pki, "first-key.pem"), key);
        var ports = Enumerable.Range(0, 3).Select(static _ => FreePort()).ToList();
        Configure(string.Create(CultureInfo.InvariantCulture, $$"""
            http_port: 0
            rpc_tcp: {address: 127.0.0.1:{{ports[0]}}, tokens_file: {{Path.Combine(Scratch, "tokens")}}}
            grpc: {address: 127.0.0.1:{{ports[1]}}}
            rest: {address: 127.0.0.1:{{ports[2]}}}
            tls: {certificate_file: {{certificate}}, key_file: {{key}}}

            """));
        await using var serve = await StartAsync();
        using var live = new TcpClient();
        await live.ConnectAsync("127.0.0.1", ports[2], TestContext.Current.CancellationToken);
        await using var open = new SslStream(live.GetStream(), leaveInnerStreamOpen: false, static (_, shown, _, _) => shown is not null);
        await open.AuthenticateAsClientAsync("localhost");
        var first = await SerialsAsync(ports);
        Assert.Single(first.Distinct(StringComparer.Ordinal));

        File.Copy(Path.Combine(pki, "second.pem"), certificate, overwrite: true);
        await Eventually.TrueAsync("half a pair is told", () => serve.Log.Contains("the certificates changed, and are not taken up", StringComparison.Ordinal));
        Assert.Equal(first, await SerialsAsync(ports));
        File.Copy(Path.Combine(pki, "second-key.pem"), key, overwrite: true);
        await Eventually.TrueAsync("it is taken up", () => serve.Log.Contains("reload: the certificates are read again", StringComparison.Ordinal));
        var second = await SerialsAsync(ports);
        Assert.Single(second.Distinct(StringComparer.Ordinal));
        Assert.NotEqual(first[0], second[0]);
        Assert.Equal(1, Count(serve.Log, "are not taken up"));

        // The connection that was open all the time.
        await open.WriteAsync("GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        var answer = new byte[15];
        await open.ReadExactlyAsync(answer, TestContext.Current.CancellationToken);
        Assert.Equal("HTTP/1.1 200 OK", System.Text.Encoding.ASCII.GetString(answer));
        await EndAsync(serve);
    }

    private static async Task OrThrowAsync(params string[] words)
    {
        var (code, _, errors) = await WayangAsync(words);
        Assert.True(code == 0, errors);
    }

    private static async Task<List<string>> SerialsAsync(List<int> ports)
    {
        var serials = new List<string>();
        foreach (var port in ports)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync("127.0.0.1", port);
            await using var stream = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, static (_, shown, _, _) => shown is not null);
            await stream.AuthenticateAsClientAsync("localhost");
            serials.Add(stream.RemoteCertificate!.GetSerialNumberString());
        }

        return serials;
    }
}
