using System.Text;
using Wayang.Fast.Gateway.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests.Rest;

/// <summary>Answers have a tag by their content; who shows one that still holds is told so and sent nothing.</summary>
[Trait("Promise", "COM2")]
public sealed class ConditionTests
{
    [Fact]
    public async Task Who_has_an_answer_already_is_told_so_until_something_changes()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        using var submitted = await client.PostAsync(new Uri("/v1/tasks", UriKind.Relative), new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json"));
        var task = submitted.Headers.Location!.ToString();
        var (status, tag, body) = await GetAsync(client, task);
        Assert.Equal(200, status);
        Assert.NotNull(tag);
        Assert.NotEmpty(body);
        foreach (var known in new[] { tag, "W/" + tag, $"\"other\", {tag}", "*" })
        {
            Assert.Equal((304, tag, ""), await GetAsync(client, task, known));
        }

        foreach (var unknown in new[] { "\"other\"", "no tag at all", tag.Trim('"') })
        {
            Assert.Equal((200, tag, body), await GetAsync(client, task, unknown));
        }

        Assert.Equal(200, (await RestFixture.AskAsync(client, HttpMethod.Post, task + "/cancel")).Status);
        var (changed, later, _) = await GetAsync(client, task, tag);
        Assert.Equal(200, changed);
        Assert.NotEqual(tag, later);
        Assert.Null((await GetAsync(client, task + "/result")).Tag); // what is waited for has none
        Assert.NotNull((await GetAsync(client, "/v1/node")).Tag);
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task A_change_is_made_only_of_what_its_caller_knows()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        using var submitted = await client.PostAsync(new Uri("/v1/tasks", UriKind.Relative), new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json"));
        var task = submitted.Headers.Location!.ToString();
        var (_, tag, _) = await GetAsync(client, task);
        foreach (var other in new[] { "\"other\"", "W/" + tag, "no tag at all", "\"a\", W/" + tag })
        {
            var (refused, now, problem) = await SendAsync(client, HttpMethod.Post, task + "/cancel", other);
            Assert.Equal((412, tag), (refused, now));
            Assert.Contains("\"code\":\"conflict\"", problem, StringComparison.Ordinal);
            Assert.Contains("\"field\":\"If-Match\"", problem, StringComparison.Ordinal);
        }

        Assert.Equal((200, tag), await GetAsync(client, task) is var (status, same, _) ? (status, same) : default); // nothing was done
        Assert.Equal(412, (await SendAsync(client, HttpMethod.Get, task, "\"other\"")).Status);
        Assert.Equal(200, (await SendAsync(client, HttpMethod.Get, task, tag!)).Status);
        Assert.Equal(200, (await SendAsync(client, HttpMethod.Post, task + "/cancel", "\"other\", " + tag)).Status);
        Assert.NotEqual(tag, (await GetAsync(client, task)).Tag);
        Assert.Equal(412, (await SendAsync(client, HttpMethod.Post, task + "/cancel", tag!)).Status); // it is another by now
        Assert.Equal(200, (await SendAsync(client, HttpMethod.Post, task + "/cancel", "*")).Status);
        Assert.Equal(404, (await SendAsync(client, HttpMethod.Post, "/v1/tasks/00000000000000000000000009/cancel", "*")).Status);
        Assert.Equal(501, (await SendAsync(client, HttpMethod.Get, task + "/result", tag!)).Status); // what is waited for has no tag
        Assert.Empty(fixture.Defects);
    }

    [Fact]
    public async Task Of_many_that_know_the_same_one_changes_it()
    {
        await using var fixture = await RestFixture.StartAsync();
        var client = fixture.Connect(RestFixture.Secret);
        using var submitted = await client.PostAsync(new Uri("/v1/tasks", UriKind.Relative), new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json"));
        var task = submitted.Headers.Location!.ToString();
        var (_, tag, _) = await GetAsync(client, task);
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => SendAsync(client, HttpMethod.Post, task + "/cancel", tag!)));
        Assert.Equal([.. Enumerable.Repeat(412, 15), 200], answers.Select(static a => a.Status).OrderDescending());
    }

    [Fact]
    public void Each_change_of_a_thing_knows_where_it_is_told()
    {
        Assert.Equal(
            [
                "DELETE /v1/webhooks/{webhook}", "PATCH /v1/tasks/{task}", "PATCH /v1/webhooks/{webhook}", "POST /v1/groups/{group}/cancel", "POST /v1/tasks/{task}/cancel", "POST /v1/tasks/{task}/checkpoint",
                "POST /v1/tasks/{task}/migrate", "POST /v1/tasks/{task}/pause", "POST /v1/tasks/{task}/resume", "POST /v1/webhooks/{webhook}/replay", "POST /v1/webhooks/{webhook}/rotate",
            ],
            RestRoute.All.Where(static r => r.Resource is not null).Select(static r => $"{r.Method} {r.Path}").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("If-Match", "\"a\"")]
    [InlineData("If-Unmodified-Since", "Sat, 31 Jan 2026 12:00:00 GMT")]
    public async Task A_condition_that_cannot_be_kept_is_refused_and_nothing_is_done(string header, string value)
    {
        await using var fixture = await RestFixture.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/tasks") { Content = new StringContent(RestFixture.Call("forever"), Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation(header, value);
        using var answer = await fixture.Connect(null).SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(501, (int)answer.StatusCode);
        Assert.Contains("\"unsupported\"", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Null(fixture.Tasks.LastTerms);
        Assert.Equal(0, fixture.Tasks.Resolutions);
    }

    private static async Task<(int Status, string? Tag, string Body)> SendAsync(HttpClient client, HttpMethod method, string path, string known)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.TryAddWithoutValidation("If-Match", known);
        using var answer = await client.SendAsync(request);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues("ETag", out var tags) ? tags.Single() : null, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<(int Status, string? Tag, string Body)> GetAsync(HttpClient client, string path, string? known = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (known is not null)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", known);
        }

        using var answer = await client.SendAsync(request);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues("ETag", out var tags) ? tags.Single() : null, await answer.Content.ReadAsStringAsync());
    }
}
