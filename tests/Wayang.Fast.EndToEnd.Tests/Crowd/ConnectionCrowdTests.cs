using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Crowd;

/// <summary>
/// Hundreds of connections at each door at once, idle ones, slow writers and slow readers, beside clients that work: these are served, and the daemon's
/// memory stays within what its bounds let each connection have. WAYANG_TEST_LONG=1: a thousand at each door.
/// </summary>
[Collection("runtimes")]
[Trait("Promise", "COM7")]
public sealed partial class ConnectionCrowdTests(ITestOutputHelper output) : IDisposable
{
    private const int Bound = 300_000;
    private const int Workers = 4;

    /// <summary>Of a connection that asks and reads as it should, or does nothing: its buffers and objects.</summary>
    private const long QuietBytes = 96 << 10;

    /// <summary>Garbage that was not collected yet, and what the work beside takes.</summary>
    private const long Slack = 160 << 20;

    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";
    private static readonly int s_count = s_isLong ? 1_000 : 100;
    private static readonly TimeSpan s_time = TimeSpan.FromSeconds(s_isLong ? 60 : 6);

    private readonly string _directory = Directory.CreateDirectory("/var/tmp/wayang-crowd-" + Guid.NewGuid().ToString("N")).FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact(Timeout = Bound)]
    public async Task Whoever_works_is_served_and_memory_is_bounded()
    {
        var token = AccessToken.NewSecret();
        await using var runtime = await ServeAsync(token);
        await SaysWhereAsync(runtime);
        var doors = DoorsOf(runtime, token);
        await using var witness = await runtime.ConnectAsync();
        var image = (await witness.PutImageAsync("c", await File.ReadAllBytesAsync(Plugins.GoodPath, TestContext.Current.CancellationToken), "crowd")).Image;
        var before = await MeasureAsync(witness, image, TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        var daemon = runtime.Daemon;
        var baseline = RawRequest.ResidentBytes(daemon);

        using var stop = new CancellationTokenSource();
        var members = new List<Task>();
        foreach (var door in doors)
        {
            members.AddRange(await door.OpenAsync(s_count, stop.Token));
        }

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var working = WorkAsync(runtime, doors, token, enough.Token);
        var measured = MeasureAsync(witness, image, s_time, TestContext.Current.CancellationToken);
        var most = 0L;
        while (!measured.IsCompleted)
        {
            most = Math.Max(most, RawRequest.ResidentBytes(daemon));
            await Task.WhenAny(measured, Task.Delay(100, TestContext.Current.CancellationToken));
        }

        var beside = await measured;
        await enough.CancelAsync();
        var served = await working;
        await stop.CancelAsync();
        await Task.WhenAll(members);

        var allowed = baseline + Slack + doors.Sum(static door => (s_count / 3 * door.HeldBytes) + (s_count * QuietBytes));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{s_count} connections at each of {doors.Count} doors; memory {baseline >> 20} MiB before, {most >> 20} at most, {allowed >> 20} allowed; a client's call: p50 {before.P50:F2} ms, p99 {before.P99:F2} alone, p50 {beside.P50:F2}, p99 {beside.P99:F2} beside them ({beside.Count} calls); served: {string.Join(", ", served.Select(static s => $"{s.Door} {s.Count}"))}"));
        Assert.True(most < allowed, $"{most >> 20} MiB, {allowed >> 20} allowed");
        Assert.All(served, static s => Assert.True(s.Count > 0, $"nobody was served at {s.Door}"));
        Assert.Equal(daemon, runtime.Daemon);
        Assert.Equal("succeeded", (await witness.RunCommandAsync(["/bin/true"])).State.ToString().ToLowerInvariant());
    }

    private async Task<RuntimeUnderTest> ServeAsync(string token)
    {
        var tokens = Path.Combine(_directory, "tokens");
        TokenFile.Add(tokens, new AccessToken("crowd", Tenant: 0, OperationScopes.All, AccessToken.HashOf(token), Expires: null));
        if (Installation.IsRoot)
        {
            using var chown = Process.Start("chown", ["1900000000", tokens]);
            await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        var bound = (2 * s_count) + 64;
        return await RuntimeUnderTest.StartAsync(
            Installation.IsRoot ? Account.Root : Account.Unprivileged,
            $"http_port: 0\ngrpc: {{address: '127.0.0.1:0'}}\nrest: {{address: '127.0.0.1:0'}}\nrpc_tcp: {{address: '127.0.0.1:0', tokens_file: {tokens}}}\n"
            + $"security: {{connections: {2 * bound}, connections_per_caller: {bound}, connections_per_address: {bound}}}\n");
    }

    private static List<CrowdDoor> DoorsOf(RuntimeUnderTest runtime, string token)
    {
        // A connection is not read from while 1 MiB waits for it: what was read before may follow it.
        const long rpc = 2 << 20;
        byte[][] asked = [.. Enumerable.Range(0, 120).Select(static i => RawRequest.Rpc((byte)i))];
        return
        [
            new("unix", new UnixDomainSocketEndPoint(runtime.SocketPath), [], asked) { HeldBytes = rpc },
            new("tcp", PlaceOf(Tcp(), runtime), RawRequest.OpenSession(token), asked) { HeldBytes = rpc },

            // 128 streams, each with an answer that waits for the window; over HTTP/1.1 one answer after the other.
            new("grpc", PlaceOf(Grpc(), runtime), RawRequest.Preface(), [.. Enumerable.Range(0, 100).Select(i => RawRequest.Grpc(token, (2 * i) + 1))]) { HeldBytes = 128 * (32 << 10) },
            new("rest", PlaceOf(Rest(), runtime), [], [.. Enumerable.Range(0, 100).Select(_ => RawRequest.Rest(token))]) { HeldBytes = 256 << 10 },
        ];
    }

    /// <summary>A few clients of each door that ask one thing after the other; how much they were told.</summary>
    private static async Task<List<(string Door, long Count)>> WorkAsync(RuntimeUnderTest runtime, List<CrowdDoor> doors, string token, CancellationToken stop)
    {
        var working = new List<Task<(string Door, long Count)>>();
        for (var i = 0; i < Workers; i++)
        {
            working.Add(AskRpcAsync("unix", new WayangClientOptions { SocketPath = runtime.SocketPath }, stop));
            working.Add(AskRpcAsync("tcp", new WayangClientOptions { Endpoint = WayangEndpoint.TryParse($"tcp://{doors[1].Place}"), Token = token }, stop));
            working.Add(AskHttpAsync(doors[2], HttpMethod.Post, "wayang.runtime.v1.Runtime/NodeStats", token, stop));
            working.Add(AskHttpAsync(doors[3], HttpMethod.Get, "v1/node/stats", token, stop));
        }

        return [.. (await Task.WhenAll(working)).GroupBy(static w => w.Door, StringComparer.Ordinal).Select(static g => (g.Key, g.Min(static w => w.Count)))];
    }

    private static async Task<(string Door, long Count)> AskRpcAsync(string door, WayangClientOptions options, CancellationToken stop)
    {
        await using var client = await WayangClient.ConnectAsync(options, CancellationToken.None);
        var count = 0L;
        for (; !stop.IsCancellationRequested; count++)
        {
            Assert.NotEmpty(await client.NodeStatsAsync(CancellationToken.None));
        }

        return (door, count);
    }

    private static async Task<(string Door, long Count)> AskHttpAsync(CrowdDoor door, HttpMethod method, string path, string token, CancellationToken stop)
    {
        using var client = new HttpClient(new SocketsHttpHandler()) { BaseAddress = new Uri($"http://{door.Place}/") };
        var count = 0L;
        for (; !stop.IsCancellationRequested; count++)
        {
            using var request = new HttpRequestMessage(method, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            if (method == HttpMethod.Post)
            {
                (request.Version, request.VersionPolicy, request.Content) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact, new ByteArrayContent(new byte[5]));
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
                request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
            }

            using var answer = await client.SendAsync(request, CancellationToken.None);
            Assert.NotEmpty(await answer.Content.ReadAsByteArrayAsync(CancellationToken.None));
            Assert.True(answer.IsSuccessStatusCode);
        }

        return (door.Name, count);
    }

    /// <summary>Calls one after the other, as a client feels them.</summary>
    private static async Task<(double P50, double P99, int Count)> MeasureAsync(WayangClient client, string image, TimeSpan time, CancellationToken cancellation)
    {
        var spec = TaskSpec.Call(image, "echo", "x"u8.ToArray());
        var took = new List<double>();
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < time;)
        {
            var start = Stopwatch.GetTimestamp();
            Assert.True((await client.RunAsync(spec, cancellation: cancellation)).Succeeded);
            took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        took.Sort();
        return (took[took.Count / 2], took[took.Count * 99 / 100], took.Count);
    }

    /// <summary>It serves on its socket a moment before it says where else.</summary>
    private static Task SaysWhereAsync(RuntimeUnderTest runtime) => Eventually.TrueAsync("the node says where it serves", () => Array.TrueForAll([Tcp(), Grpc(), Rest()], p => p.IsMatch(runtime.Processes.Log)));

    private static IPEndPoint PlaceOf(Regex pattern, RuntimeUnderTest runtime) => IPEndPoint.Parse(pattern.Match(runtime.Processes.Log).Groups["place"].Value);

    [GeneratedRegex("at tcp://(?<place>127\\.0\\.0\\.1:[0-9]+)[^0-9]", RegexOptions.None, 1_000)]
    private static partial Regex Tcp();

    [GeneratedRegex("grpc at (?<place>127\\.0\\.0\\.1:[0-9]+)[^0-9]", RegexOptions.None, 1_000)]
    private static partial Regex Grpc();

    [GeneratedRegex("rest at (?<place>127\\.0\\.0\\.1:[0-9]+)[^0-9]", RegexOptions.None, 1_000)]
    private static partial Regex Rest();
}
