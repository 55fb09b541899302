using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>A served runtime whose configuration opens the doors of gRPC and REST, asked with bare HTTP.</summary>
[Collection("runtimes")]
[Trait("Promise", "COM1")]
public sealed partial class HttpDoorTests : IDisposable
{
    private const int Bound = 300_000;

    // Below /var/tmp, and open to the daemon's own user: the file of tokens in it is what is closed.
    private readonly string _directory = Directory.CreateDirectory("/var/tmp/wayang-grpc-" + Guid.NewGuid().ToString("N")).FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact(Timeout = Bound)]
    public async Task The_daemon_serves_grpc_and_rest_to_those_with_a_token()
    {
        var secret = AccessToken.NewSecret();
        var tokens = Path.Combine(_directory, "tokens");
        TokenFile.Add(tokens, new AccessToken("ci", Tenant: 0, OperationScopes.All, AccessToken.HashOf(secret), Expires: null));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["1900000000", tokens]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await using var runtime = await RuntimeUnderTest.StartAsync(
            Installation.IsRoot ? Account.Root : Account.Unprivileged, $"http_port: 0\ngrpc: {{address: '127.0.0.1:0'}}\nrest: {{address: '127.0.0.1:0'}}\nrpc_tcp: {{tokens_file: {tokens}}}\n");
        var place = await Eventually.ValueAsync("the log names the port", () => Task.FromResult(
            Place().Match(runtime.Processes.Log) is { Success: true } match ? match.Groups["place"].Value : null));
        using var client = new HttpClient { BaseAddress = new Uri("http://" + place) };
        Assert.Equal("0", await AskAsync(client, "grpc.health.v1.Health/Check", token: null));
        Assert.Equal("0", await AskAsync(client, "wayang.runtime.v1.Runtime/NodeInfo", secret));
        Assert.Equal("16", await AskAsync(client, "wayang.runtime.v1.Runtime/NodeInfo", "wrong"));
        Assert.Equal("16", await AskAsync(client, "wayang.runtime.v1.Runtime/NodeInfo", token: null));

        using var rest = new HttpClient { BaseAddress = new Uri("http://" + RestPlace().Match(runtime.Processes.Log).Groups["place"].Value) };
        Assert.Equal(HttpStatusCode.Unauthorized, (await rest.GetAsync(new Uri("/v1/node", UriKind.Relative), TestContext.Current.CancellationToken)).StatusCode);
        rest.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", secret);
        using var task = new StringContent("""{"kind": "exec", "argv": ["/bin/sh", "-c", "mkdir out; printf left > out/a; printf said"], "artifacts": {}}""");
        using var ran = await rest.PostAsync(new Uri("/v1/runs", UriKind.Relative), task, TestContext.Current.CancellationToken);
        var result = JsonDocument.Parse(await ran.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal("said", Encoding.UTF8.GetString(result.GetProperty("stdout").GetBytesFromBase64()));
        var file = $"/v1/tasks/{result.GetProperty("task").GetString()}/artifacts/a";
        Assert.Equal("left", await rest.GetStringAsync(new Uri(file, UriKind.Relative), TestContext.Current.CancellationToken));
        Assert.Contains("\"rest.address\":\"127.0.0.1:0\"", await rest.GetStringAsync(new Uri("/v1/configuration", UriKind.Relative), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    /// <summary>Calls with an empty message; the status.</summary>
    private static async Task<string> AskAsync(HttpClient client, string method, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, method)
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(new byte[5]),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        using var answer = await client.SendAsync(request);
        await answer.Content.ReadAsByteArrayAsync();
        return answer.Headers.Concat(answer.TrailingHeaders).First(static header => header.Key == "grpc-status").Value.First();
    }

    [GeneratedRegex("rest at (?<place>127\\.0\\.0\\.1:[0-9]+)", RegexOptions.None, 1_000)]
    private static partial Regex RestPlace();

    [GeneratedRegex("grpc at (?<place>127\\.0\\.0\\.1:[0-9]+)", RegexOptions.None, 1_000)]
    private static partial Regex Place();
}
