using System.Net;
using System.Net.Sockets;
using System.Text;
using Wayang.Fast.Gateway.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Rest;

/// <summary>
/// Requests of every route with bodies, paths and queries that nobody means, and bytes that are no HTTP, while a witness gets right answers.
/// WAYANG_TEST_LONG=1: a million of them; WAYANG_TEST_SEED repeats a run.
/// </summary>
[Trait("Promise", "COM7")]
public sealed class RestFuzzTests(ITestOutputHelper output)
{
    private const int AtOnce = 16;
    private const string Body = """{"kind":"call","image":"demo","function":"echo","data":"aGVsbG8=","argv":["a"],"env":{"A":"b"},"limits":{"pids":3},"retry":{"max_attempts":2,"on":["exit"]},"inputs":[{"path":"x","data":"eQ=="}],"secrets":{"s":"dA=="},"tasks":[{"kind":"exec"}],"priority":30}""";
    private static readonly bool s_isLong = Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1";

    [Fact]
    public async Task Mutated_requests_are_answered_and_harm_nobody()
    {
        await using var fixture = await RestFixture.StartAsync(events: false);
        var client = fixture.Connect(RestFixture.Secret);
        var witness = fixture.Connect(null);
        var seed = Seed();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var statuses = new Dictionary<int, int>();
        var count = s_isLong ? 1_000_000 : 6_000;
        for (var sent = 0; sent < count; sent += AtOnce)
        {
            var requests = Enumerable.Range(0, AtOnce).Select(_ => Make(random)).ToList();
            foreach (var status in await Task.WhenAll(requests.Select(request => SendAsync(client, request))))
            {
                statuses[status] = statuses.GetValueOrDefault(status) + 1;
            }

            if (sent % (AtOnce * 16) == 0)
            {
                Assert.Equal(200, (await RestFixture.AskAsync(witness, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo_later", "w"))).Status);
            }
        }

        output.WriteLine(string.Join(", ", statuses.Select(static s => $"{s.Key}: {s.Value}")));
        Assert.True(statuses.GetValueOrDefault(400) > count / 4, "the input reached nothing");
        Assert.True(statuses.ContainsKey(200) && statuses.ContainsKey(404), "nothing was done");
        Assert.False(statuses.ContainsKey(500), "a defect");
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Bytes_that_are_no_http_end_their_connection_alone()
    {
        await using var fixture = await RestFixture.StartAsync(events: false);
        var seed = Seed();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var whole = Encoding.ASCII.GetBytes($"POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RestFixture.Secret}\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");
        for (var i = 0; i < (s_isLong ? 20_000 : 400); i++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { SendTimeout = 20_000 };
            await socket.ConnectAsync(IPAddress.Loopback, fixture.Port);
            try
            {
                await socket.SendAsync(Mutate(whole, random));
            }
            catch (SocketException)
            {
                // Closed already.
            }
        }

        Assert.Equal(200, (await RestFixture.AskAsync(fixture.Connect(null), HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
        Assert.Empty(fixture.Defects);
    }

    private static int Seed() => int.TryParse(Environment.GetEnvironmentVariable("WAYANG_TEST_SEED"), out var given) ? given : Environment.TickCount;

    private static HttpRequestMessage Make(Random random)
    {
        var route = RestRoute.All[random.Next(RestRoute.All.Count)];
        var path = route.Path.Replace("{**name}", Word(random), StringComparison.Ordinal).Replace("{task}", Word(random), StringComparison.Ordinal).Replace("{group}", Word(random), StringComparison.Ordinal);
        var isRaw = random.Next(4) == 0;
        var query = (isRaw || !route.HasBody) && random.Next(2) == 0 ? $"?{Word(random)}={Word(random)}&limit={random.Next(-5, 20)}" : string.Empty;
        var request = new HttpRequestMessage(new HttpMethod(route.Method), path + query);
        if (route.HasBody)
        {
            request.Content = new ByteArrayContent(Mutate(Encoding.UTF8.GetBytes(random.Next(3) == 0 ? RestFixture.Call("echo", "x") : Body), random));
            request.Content.Headers.Add("Content-Type", isRaw ? "application/octet-stream" : "application/json");
        }

        return request;
    }

    private static string Word(Random random) => random.Next(6) switch
    {
        0 => "0000000000000000000000000A",
        1 => "kind",
        2 => "call",
        3 => Uri.EscapeDataString(new string((char)random.Next(1, 0xD000), random.Next(1, 40))),
        4 => "%FF%00",
        _ => "task",
    };

    private static async Task<int> SendAsync(HttpClient client, HttpRequestMessage request)
    {
        using (request)
        using (var answer = await client.SendAsync(request))
        {
            await answer.Content.ReadAsByteArrayAsync();
            return (int)answer.StatusCode;
        }
    }

    private static byte[] Mutate(byte[] bytes, Random random)
    {
        bytes = [.. bytes];
        for (var changes = random.Next(4); changes > 0 && bytes.Length > 0; changes--)
        {
            var at = random.Next(bytes.Length);
            switch (random.Next(3))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes = bytes[..at];
                    break;
                default:
                    bytes = [.. bytes[..at], .. bytes[(at / 2)..]];
                    break;
            }
        }

        return bytes;
    }
}
