using System.Diagnostics;
using Wayang.Fast.Gateway.Auth;
using Wayang.Fast.Gateway.Tests.Rest;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

[Trait("Promise", "COM7")]
public sealed class CallRateTests
{
    [Fact]
    public void A_second_holds_as_many_as_were_granted_and_no_more()
    {
        var rate = new CallRate(100);
        var now = Stopwatch.GetTimestamp();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(0, rate.Take(now));
        }

        Assert.InRange(rate.Take(now), 1, 11);
        Assert.Equal(0, rate.Take(now + (Stopwatch.Frequency / 50)));
        Assert.Equal(0, rate.Take(now + (Stopwatch.Frequency / 50)));
        Assert.NotEqual(0, rate.Take(now + (Stopwatch.Frequency / 50)));
        Assert.Equal(0, new CallRate(0).Take());
    }

    [Fact]
    public async Task Who_calls_too_often_is_told_when_to_come_again_on_whichever_connection()
    {
        await using var fixture = new ServerFixture(static options => ServerFixture.OverTcp(
            options with { CallsPerSecondPerIdentity = 2 }, new TokenStore([ServerFixture.Token("one", "one"), ServerFixture.Token("two", "two")])));
        using var first = fixture.OpenTcp("one");
        using var second = fixture.OpenTcp("one");
        using var other = fixture.OpenTcp("two");
        var answers = new[] { first, second, first, second, first }.Select(static s => ServerFixture.Ask(s, ServerFixture.RunFrame(5, "echo", [1]))).ToList();
        Assert.Contains(answers, static a => a.Contains("retry_after_ms", StringComparison.Ordinal) && a.Contains("security.calls_per_second", StringComparison.Ordinal));
        Assert.DoesNotContain("retry_after_ms", ServerFixture.Ask(other, ServerFixture.RunFrame(5, "echo", [1])), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_HTTP_too_often_is_429()
    {
        await using var fixture = await RestFixture.StartAsync(configure: static options => options with { CallsPerSecondPerIdentity = 1 });
        var client = fixture.Connect(RestFixture.Secret);
        var answers = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            answers.Add((await RestFixture.AskAsync(client, HttpMethod.Get, "/v1/node")).Status);
        }

        Assert.Equal(200, answers[0]);
        Assert.Contains(429, answers);
    }
}
