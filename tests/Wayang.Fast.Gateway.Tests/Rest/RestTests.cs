using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.Auth;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Rest;

/// <summary>Operations over REST: results, problems, streams, raw bodies, idempotency keys, and who may call.</summary>
[Trait("Promise", "COM2")]
public sealed class RestTests
{
    private const string Unknown = "0000000000000000000000000A";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(null)]
    [InlineData(RestFixture.Secret)]
    public async Task A_task_runs_and_its_result_comes_back(string? token)
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(token);
        var (status, result) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo_later", "hello"));
        Assert.Equal((200, "succeeded", "hello", 300), (status, result.GetProperty("state").GetString(), Text(result, "output"), result.GetProperty("run_us").GetInt32()));

        var (_, command) = await RestFixture.AskAsync(
            client, HttpMethod.Post, "/v1/runs",
            """{"kind":"exec","argv":["true","ü"],"env":{"A":"b"},"limits":{"pids":5},"inputs":[{"path":"a/b","data":"aW4="}],"secrets":{"S":"aGk="},"pure":true}""");
        Assert.Equal("", Text(command, "stdout"));
        var terms = fixture.Tasks.LastTerms!;
        Assert.Equal((5, "a/b", "S", true), (terms.Limits!.Pids, terms.Inputs[0].Path, terms.Secrets[0].Name, terms.Pure));
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Tasks_are_submitted_looked_at_waited_for_and_cancelled()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        using var submitted = await client.PostAsync(new Uri("/v1/tasks", UriKind.Relative), new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json"));
        Assert.Equal(201, (int)submitted.StatusCode);
        var place = submitted.Headers.Location!.ToString();
        Assert.Equal("running", (await RestFixture.AskAsync(client, HttpMethod.Get, place)).Body.GetProperty("state").GetString());
        Assert.Equal((504, "wait_timeout"), await RefusedAsync(client, HttpMethod.Get, place + "/result?timeout_ms=1"));
        var waiting = RestFixture.AskAsync(client, HttpMethod.Get, place + "/result");
        Assert.Equal(200, (await RestFixture.AskAsync(client, HttpMethod.Post, place + "/cancel")).Status);
        Assert.Equal("cancelled", (await waiting.WaitAsync(s_patience)).Body.GetProperty("state").GetString());

        var (_, many) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/task-batches", $$"""{"tasks":[{{RestFixture.Call("echo")}},{{RestFixture.Call("none")}}]}""");
        Assert.Equal("not_found", many.GetProperty("tasks")[1].GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("here", (await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/node")).Body.GetProperty("node").GetString());
        Assert.Equal((403, "permission_denied"), await RefusedAsync(client, HttpMethod.Get, "/v1/configuration")); // tenant 3
    }

    [Fact]
    public async Task Bytes_come_in_as_they_are_beside_a_query()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        const string raw = "application/octet-stream";
        var (_, result) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/runs?kind=call&image=demo&function=echo&timeout_ms=500", "as they are", raw);
        Assert.Equal("as they are", Text(result, "output"));
        var (_, command) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/runs?kind=exec&argv=cat&argv=-", "in", raw);
        Assert.Equal("in", Text(command, "stdout"));
        Assert.Equal("c", (await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/images?kind=c", "x", raw)).Body.GetProperty("kind").GetString());
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs?kind=call&kind=exec", "x", raw));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs?kind=call", "{}"));
    }

    [Theory]
    [InlineData("text/event-stream")]
    [InlineData("application/x-ndjson")]
    public async Task A_stream_is_followed_to_its_end_in_pieces(string type)
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(null);
        var (_, task) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/tasks", RestFixture.Call("echo", new string('z', 3_000)));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/tasks/{task.GetProperty("task").GetString()}/output/stream?max_bytes=1024");
        request.Headers.Accept.ParseAdd(type);
        request.Headers.Add("Last-Event-ID", "100");
        using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(type, answer.Content.Headers.ContentType!.MediaType);
        var lines = (await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Split('\n');
        var isEvents = type.StartsWith("text", StringComparison.Ordinal);
        var pieces = lines.Where(static l => l.Contains('{', StringComparison.Ordinal)).Select(static l => JsonDocument.Parse(l[l.IndexOf('{', StringComparison.Ordinal)..]).RootElement).ToList();
        Assert.Equal(isEvents ? 2_900 : 3_000, pieces.Sum(static p => Text(p, "data").Length));
        Assert.True(pieces[^1].GetProperty("ended").GetBoolean());
        Assert.Equal(isEvents, lines.Contains("id: 3000", StringComparer.Ordinal));
    }

    [Fact]
    public async Task Problems_say_what_where_and_what_to_do()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs", "{"));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs", "[]"));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs", """{"kind":"exec","kind":"call"}"""));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs", """{"kind":"exec","argv":["\ud800"]}"""));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Post, "/v1/runs", """{"kind":"exec","stdin":"no base64"}"""));
        Assert.Equal((400, "invalid_argument"), await RefusedAsync(client, HttpMethod.Get, "/v1/tasks/x"));
        Assert.Equal((404, "not_found"), await RefusedAsync(client, HttpMethod.Get, "/v1/tasks/" + Unknown));
        Assert.Equal((404, "not_found"), await RefusedAsync(client, HttpMethod.Get, $"/v1/tasks/{Unknown}/artifacts/a/b"));
        Assert.Equal((404, "not_found"), await RefusedAsync(client, HttpMethod.Get, $"/v1/tasks/{Unknown}/output/stream"));
        Assert.Equal((404, "unknown_operation"), await RefusedAsync(client, HttpMethod.Get, "/v1/task"));
        Assert.Equal((405, "unknown_operation"), await RefusedAsync(client, HttpMethod.Delete, "/v1/tasks"));
        Assert.Equal((501, "unsupported"), await RefusedAsync(client, HttpMethod.Get, "/v1/pools"));
        var (_, misspelt) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/runs", """{"knd":"exec"}""");
        Assert.Contains("Did you mean 'kind'?", misspelt.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal("knd", misspelt.GetProperty("field").GetString());
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task What_is_refused_after_it_was_taken_is_told_to_who_awaits_its_end()
    {
        await using var fixture = await RestFixture.StartAsync(events: false);
        var (status, problem) = await RestFixture.AskAsync(fixture.Connect(null), HttpMethod.Post, "/v1/runs", RestFixture.Call("refuse_later")).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(503, status);
        Assert.Contains("the disk is full", problem.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_in_the_header_is_the_idempotency_key()
    {
        await using var fixture = await RestFixture.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks") { Content = new StringContent(RestFixture.Call("echo"), Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", "once");
        using var answer = await fixture.Connect(null).SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((201, "once"), ((int)answer.StatusCode, fixture.Tasks.LastTerms!.Idempotency!.Key));
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task Nobody_comes_in_without_a_token_that_is_in_force_and_reaches_that_far()
    {
        await using var fixture = await RestFixture.StartAsync(new TokenStore(
        [
            ServerFixture.Token("wayang_reads", "reads", OperationScopes.Read),
            ServerFixture.Token("wayang_runs", "runs", OperationScopes.Submit),
            ServerFixture.Token("wayang_past", "past", OperationScopes.All, DateTimeOffset.UtcNow.AddSeconds(-1)),
        ]));
        Assert.Equal((401, "unauthenticated"), await RefusedAsync(fixture.Connect("wrong"), HttpMethod.Get, "/v1/node"));
        Assert.Equal((401, "unauthenticated"), await RefusedAsync(fixture.Connect("wayang_past"), HttpMethod.Get, "/v1/node"));
        using var stranger = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{fixture.Port}") };
        Assert.Equal((401, "unauthenticated"), await RefusedAsync(stranger, HttpMethod.Get, "/v1/node"));
        Assert.Equal((403, "permission_denied"), await RefusedAsync(fixture.Connect("wayang_reads"), HttpMethod.Post, "/v1/runs", RestFixture.Call("echo")));
        Assert.Equal((403, "permission_denied"), await RefusedAsync(fixture.Connect("wayang_runs"), HttpMethod.Get, "/v1/workers"));
        Assert.Equal(200, (await RestFixture.AskAsync(fixture.Connect("wayang_runs"), HttpMethod.Post, "/v1/runs", RestFixture.Call("echo"))).Status);
        Assert.Equal("3.1.0", (await RestFixture.AskAsync(stranger, HttpMethod.Get, "/v1/openapi.json")).Body.GetProperty("openapi").GetString());
    }

    [Fact]
    public async Task Who_leaves_a_run_takes_the_task_along()
    {
        await using var fixture = await RestFixture.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var content = new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json");
        var run = fixture.Connect(null).PostAsync(new Uri("/v1/runs", UriKind.Relative), content, cancellation.Token);
        for (var until = Environment.TickCount64 + 20_000; fixture.Tasks.WaiterCount == 0; await Task.Delay(1))
        {
            Assert.True(Environment.TickCount64 < until, "the task never ran");
        }

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        for (var until = Environment.TickCount64 + 20_000; fixture.Tasks.WaiterCount > 0; await Task.Delay(1))
        {
            Assert.True(Environment.TickCount64 < until, "the task was never cancelled");
        }
    }

    [Fact]
    [Trait("Promise", "COM7")]
    public async Task What_a_caller_sends_counts_against_its_budget_while_it_comes_and_is_given_back()
    {
        await using var fixture = await RestFixture.StartAsync(mostBytes: 1 << 20);
        var client = fixture.Connect(RestFixture.Secret);

        // Asks before it sends: a refusal of what is under way may end the connection before its sender has read it.
        var polite = fixture.Connect(RestFixture.Secret);
        polite.DefaultRequestHeaders.ExpectContinue = true;
        var head = Encoding.ASCII.GetBytes($"POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {RestFixture.Secret}\r\nContent-Length: 400000\r\n\r\n");
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal((429, "resource_exhausted"), await RefusedAsync(polite, HttpMethod.Post, "/v1/runs", new string('b', 2 << 20)));
            using var leaving = new Socket(SocketType.Stream, ProtocolType.Tcp) { SendTimeout = 20_000 };
            await leaving.ConnectAsync(IPAddress.Loopback, fixture.Port, TestContext.Current.CancellationToken);
            await leaving.SendAsync(head, TestContext.Current.CancellationToken);
            await leaving.SendAsync(new byte[300_000], TestContext.Current.CancellationToken);
        }

        var status = 0;
        for (var until = Environment.TickCount64 + 20_000; status != 200 && Environment.TickCount64 < until; await Task.Delay(1))
        {
            (status, _) = await RestFixture.AskAsync(client, HttpMethod.Post, "/v1/runs", RestFixture.Call("echo", new string('s', 300_000)));
        }

        Assert.Equal(200, status);
    }

    private static string Text(JsonElement value, string key) => Encoding.UTF8.GetString(value.GetProperty(key).GetBytesFromBase64());

    private static async Task<(int Status, string? Code)> RefusedAsync(HttpClient client, HttpMethod method, string path, string? json = null, string type = "application/json")
    {
        var (status, problem) = await RestFixture.AskAsync(client, method, path, json, type);
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        return (status, problem.GetProperty("code").GetString());
    }
}
