using System.Globalization;
using System.Net.Sockets;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>What is sent, how often, and what becomes of it: over a real ledger to real receivers.</summary>
[Trait("Promise", "COM6")]
public sealed class WebhookDeliveryTests
{
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task An_event_is_sent_once_signed_in_the_shape_of_CloudEvents()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, secret) = await fixture.CreateAsync(receiver.Url);
        fixture.Tell("wayang.test.one", EventSeverity.Warning, tenant: 3);
        var came = await receiver.NextAsync();
        Assert.True(came.IsSignedBy(secret));
        Assert.False((came with { Body = came.Body + " " }).IsSignedBy(secret));
        Assert.Equal(fixture.Clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture), came.Timestamp);
        Assert.StartsWith("application/cloudevents+json", came.ContentType, StringComparison.Ordinal);
        Assert.Equal("1.0", came.Event.GetProperty("specversion").GetString());
        Assert.Equal("warning", came.Event.GetProperty("severity").GetString());
        Assert.Equal("grün <&>", came.Event.GetProperty("data").GetProperty("text").GetString());
        Assert.Equal($"msg_{id}_{came.Event.GetProperty("sequence").GetString()}", came.Id);
        var tried = await fixture.Store.NextAsync();
        Assert.Equal((AttemptOutcome.Delivered, 204, 1), (tried.Outcome, tried.Status, tried.Attempt));
        await fixture.UntilAsync("nothing waits", () => fixture.Get(id).Backlog == default);
        Assert.True(receiver.IsQuiet);
    }

    [Fact]
    public async Task What_failed_is_sent_again_under_the_same_id_with_a_new_signature()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, secret) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(500);
        fixture.Tell("wayang.test.one");
        var first = await receiver.NextAsync();
        Assert.Equal((AttemptOutcome.Failed, 500), (await fixture.Store.NextAsync()) is { } a ? (a.Outcome, a.Status) : default);
        await fixture.Clock.ArmedAsync(s_first);
        fixture.Clock.Advance(s_first - TimeSpan.FromMilliseconds(1));
        Assert.True(receiver.IsQuiet);
        var second = await fixture.Clock.PassAsync(TimeSpan.FromMilliseconds(1), receiver.NextAsync());
        Assert.Equal(2, (await fixture.Store.NextAsync()).Attempt);
        receiver.Status(200);
        var third = await fixture.Clock.PassAsync(s_first * 4, receiver.NextAsync());
        Assert.Equal(AttemptOutcome.Delivered, (await fixture.Store.NextAsync()).Outcome);
        Assert.All([first, second, third], r => Assert.True(r.IsSignedBy(secret)));
        Assert.Single(new[] { first, second, third }.Select(static r => (r.Id, r.Body)).Distinct());
        Assert.Equal(3, new[] { first, second, third }.Select(static r => r.Timestamp).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal([3, 2, 1], fixture.Desk.Deliveries(0, id, null, 10).Attempts.Select(static t => t.Attempt));
        Assert.Equal([2, 1], fixture.Desk.Deliveries(0, id, AttemptOutcome.Failed, 10).Attempts.Select(static t => t.Attempt));
    }

    [Theory]
    [InlineData(-3)]
    [InlineData(3)]
    public async Task What_is_due_in_five_seconds_comes_in_five_seconds_whoever_sets_the_clock(int hours)
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(500);
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        await fixture.Store.NextAsync();
        await fixture.Clock.ArmedAsync(s_first);
        fixture.Clock.Set(TimeSpan.FromHours(hours));
        fixture.Clock.Advance(s_first - TimeSpan.FromMilliseconds(1));
        fixture.Tell("wayang.test.two"); // it looks, and sees the jump
        await receiver.NextAsync();
        await fixture.Store.NextAsync();
        await fixture.Clock.ArmedAsync(TimeSpan.FromMilliseconds(1));
        Assert.True(receiver.IsQuiet);
        Assert.Equal("wayang.test.one", (await fixture.Clock.PassAsync(TimeSpan.FromMilliseconds(1), receiver.NextAsync())).Type);
        Assert.Equal(2, (await fixture.Store.NextAsync()).Attempt);
        var due = fixture.Clock.GetUtcNow() + (s_first * 4);
        Assert.Equal(due.ToUnixTimeMilliseconds(), fixture.Store.ReadMessages(id, 10).Single(static m => m.Type == "wayang.test.one").DueUnixMs); // by the clock as it is
    }

    [Fact]
    public async Task After_a_restart_under_a_clock_that_was_put_back_it_is_sent_at_once()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        await fixture.CreateAsync(receiver.Url);
        receiver.Status(500);
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        await fixture.Store.NextAsync();
        fixture.Clock.Set(TimeSpan.FromHours(-3));
        receiver.Status(200);
        await fixture.RestartAsync();
        Assert.Equal("wayang.test.one", (await receiver.NextAsync()).Type);
        Assert.Equal(AttemptOutcome.Delivered, (await fixture.Store.NextAsync()).Outcome);
    }

    [Fact]
    public async Task A_receiver_says_itself_when_it_is_asked_again()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(503, "120");
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        await fixture.Store.NextAsync();
        await fixture.Clock.ArmedAsync(TimeSpan.FromSeconds(120));
        var hour = fixture.Clock.GetUtcNow() + TimeSpan.FromHours(1);
        receiver.Status(429, hour.ToString("R", CultureInfo.InvariantCulture));
        await fixture.Clock.PassAsync(TimeSpan.FromSeconds(120), receiver.NextAsync());
        await fixture.Store.NextAsync();
        Assert.Equal(hour.ToUnixTimeMilliseconds(), Assert.Single(fixture.Store.ReadMessages(id, 10)).DueUnixMs);
    }

    [Fact]
    public async Task One_that_answers_gone_is_disabled_and_loses_nothing()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(410);
        fixture.Tell("wayang.test.one");
        var first = await receiver.NextAsync();
        Assert.Equal(AttemptOutcome.Gone, (await fixture.Store.NextAsync()).Outcome);
        Assert.False(fixture.Get(id).Hook.IsEnabled);
        Assert.Contains("410", fixture.Get(id).Hook.Reason, StringComparison.Ordinal);
        var told = fixture.Events.Stream.Read(0, 100, new EventFilter { Type = "wayang.webhook.disabled" });
        Assert.Single(told.Events);
        fixture.Tell("wayang.test.two");
        await fixture.RestartAsync();
        await fixture.LoadedAsync();
        Assert.False(fixture.Get(id).Hook.IsEnabled);
        Assert.True(receiver.IsQuiet);

        receiver.Status(204);
        Assert.Null((await fixture.Desk.UpdateAsync(0, id, new WebhookWish { IsEnabled = true }, CancellationToken.None)).Refusal);
        Received[] came = [await receiver.NextAsync(), await receiver.NextAsync()];
        Assert.Equal(["wayang.test.one", "wayang.test.two"], came.Select(static r => r.Type).Order(StringComparer.Ordinal));
        Assert.Contains(first.Id, came.Select(static r => r.Id));
        Assert.Equal(string.Empty, fixture.Get(id).Hook.Reason);
    }

    [Fact]
    public async Task After_the_last_try_it_is_dead_told_and_can_be_replayed()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(new WebhookOptions { AllowPrivate = true, Attempts = 2 });
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(500);
        fixture.Tell("wayang.test.one");
        var first = await receiver.NextAsync();
        await fixture.Store.NextAsync();
        await fixture.Clock.PassAsync(s_first, receiver.NextAsync());
        var last = await fixture.Store.NextAsync();
        Assert.Equal(AttemptOutcome.Dead, last.Outcome);
        await fixture.UntilAsync("it is dead", () => fixture.Get(id).Backlog is { Dead: 1, Waiting: 0 });
        Assert.Single(fixture.Events.Stream.Read(0, 100, new EventFilter { Type = "wayang.webhook.dead" }).Events);

        receiver.Status(200);
        Assert.Equal("event", (await fixture.Desk.ReplayAsync(0, id, 1)).Refusal?.Field);
        Assert.Equal((1, null), await fixture.Desk.ReplayAsync(0, id, last.Sequence));
        var again = await receiver.NextAsync();
        Assert.Equal((first.Id, first.Body), (again.Id, again.Body));
        Assert.Equal((AttemptOutcome.Delivered, 1), await fixture.Store.NextAsync() is { } tried ? (tried.Outcome, tried.Attempt) : default);
        await fixture.UntilAsync("nothing is left", () => fixture.Get(id).Backlog == default);
        Assert.Equal((0, null), await fixture.Desk.ReplayAsync(0, id, null));
    }

    [Fact]
    public async Task Dead_ones_that_nobody_replayed_are_forgotten_and_that_is_told()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(new WebhookOptions { AllowPrivate = true, Attempts = 1, Retention = TimeSpan.FromHours(1) });
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Status(500);
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        await fixture.Store.NextAsync();
        await fixture.UntilAsync("it is dead", () => fixture.Get(id).Backlog.Dead == 1);
        await fixture.UntilAsync("it is forgotten", () =>
        {
            fixture.Clock.Advance(TimeSpan.FromMinutes(10));
            return fixture.Get(id).Backlog == default;
        });
        Assert.Empty(fixture.Desk.Deliveries(0, id, null, 10).Attempts);
        await fixture.UntilAsync("it is told", () => fixture.Events.Stream.Read(0, 100, new EventFilter { Type = "wayang.webhook.forgotten" }).Events.Count == 1);
    }

    [Fact]
    public async Task A_new_secret_signs_beside_the_old_one_for_a_while()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, old) = await fixture.CreateAsync(receiver.Url);
        var rotated = (await fixture.Desk.RotateAsync(0, id, TimeSpan.FromHours(2), CancellationToken.None)).Hook!;
        var fresh = WebhookSecret.Text(rotated.Secret.Span);
        await fixture.RestartAsync();
        await fixture.LoadedAsync();
        fixture.Tell("wayang.test.one");
        var both = await receiver.NextAsync();
        Assert.True(both.IsSignedBy(old) && both.IsSignedBy(fresh));
        await fixture.Store.NextAsync();
        fixture.Clock.Advance(TimeSpan.FromHours(2));
        fixture.Tell("wayang.test.two");
        var one = await receiver.NextAsync();
        Assert.True(one.IsSignedBy(fresh));
        Assert.False(one.IsSignedBy(old));
    }

    [Fact]
    public async Task Redirects_are_not_followed_and_long_answers_not_read()
    {
        await using var other = await Receiver.StartAsync();
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        await fixture.CreateAsync(receiver.Url);
        receiver.Answer = (context, _) =>
        {
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = other.Url;
            return Task.CompletedTask;
        };
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        var tried = await fixture.Store.NextAsync();
        Assert.Equal((AttemptOutcome.Failed, 307), (tried.Outcome, tried.Status));
        Assert.Contains("redirects are not followed", tried.Detail, StringComparison.Ordinal);
        Assert.True(other.IsQuiet);

        var cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        receiver.Answer = async (context, _) =>
        {
            context.Response.StatusCode = 500;
            context.RequestAborted.Register(() => cut.TrySetResult());
            try
            {
                while (!context.RequestAborted.IsCancellationRequested)
                {
                    await context.Response.Body.WriteAsync(new byte[4096], context.RequestAborted);
                }
            }
            catch (Exception gone) when (gone is OperationCanceledException or IOException)
            {
                cut.TrySetResult();
            }
        };
        await fixture.Clock.PassAsync(s_first, receiver.NextAsync());
        Assert.Equal(500, (await fixture.Store.NextAsync()).Status);
        await cut.Task.WaitAsync(TimeSpan.FromSeconds(60)); // without end, and hung up on
    }

    [Fact]
    public async Task What_does_not_answer_or_is_not_there_fails_in_words()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        receiver.Answer = static (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        fixture.Clock.Advance(fixture.Options.Timeout);
        var late = await fixture.Store.NextAsync();
        Assert.Equal((AttemptOutcome.Failed, 0, "no answer within 15 s"), (late.Outcome, late.Status, late.Detail));
        Assert.Equal(15_000_000, late.DurationUs);

        using var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0)); // nobody listens
        await fixture.Desk.UpdateAsync(0, id, new WebhookWish { Url = $"http://{closed.LocalEndPoint}/" }, CancellationToken.None);
        Assert.Contains("cannot be reached", (await fixture.Clock.PassAsync(s_first, fixture.Store.NextAsync())).Detail, StringComparison.Ordinal);
    }
}
