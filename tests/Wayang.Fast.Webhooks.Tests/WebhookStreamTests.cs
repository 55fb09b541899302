using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Core.Diagnostics;
using Wayang.Fast.Core.Events;
using Wayang.Fast.Gateway.Webhooks;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>Which events are sent: each that the filter admits, over restarts, whatever other receivers do, and nothing beyond the bounds.</summary>
[Trait("Promise", "COM6")]
public sealed class WebhookStreamTests
{
    [Fact]
    public async Task Only_what_the_filter_admits_is_sent_and_nothing_of_webhooks_themselves()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync(receiver.Url, new WebhookWish { Type = "wayang", Severity = EventSeverity.Warning }, tenant: 3);
        fixture.Tell("wayang.test.info", tenant: 3);
        fixture.Tell("wayang.test.theirs", EventSeverity.Error, tenant: 4);
        fixture.Tell("wayang.test.node", EventSeverity.Error);
        fixture.Tell("wayang.webhook.dead", EventSeverity.Error, tenant: 3);
        fixture.Tell("wayangs.test", EventSeverity.Error, tenant: 3);
        fixture.Tell("wayang.test.mine", EventSeverity.Error, tenant: 3);
        Assert.Equal("wayang.test.mine", (await receiver.NextAsync()).Type);
        await fixture.Store.NextAsync();
        Assert.True(receiver.IsQuiet);
        Assert.Equal(fixture.Events.Stream.Last, fixture.Get(id).Cursor);
    }

    [Fact]
    public async Task A_tenant_has_its_own_webhooks_and_the_default_tenant_sees_all()
    {
        await using var fixture = new WebhookFixture();
        var (id, _) = await fixture.CreateAsync("http://127.0.0.1:9/", tenant: 3);
        Assert.Equal(3, fixture.Get(id).Hook.Filter.Tenant);
        Assert.Equal(ErrorCode.NotFound, fixture.Desk.Get(4, id).Refusal?.Code);
        Assert.Equal(ErrorCode.NotFound, (await fixture.Desk.DeleteAsync(4, id, CancellationToken.None))?.Code);
        Assert.Equal(ErrorCode.NotFound, (await fixture.Desk.RotateAsync(4, id, null, CancellationToken.None)).Refusal?.Code);
        Assert.Empty(fixture.Desk.List(4).Hooks);
        Assert.Single(fixture.Desk.List(3).Hooks);
        Assert.Single(fixture.Desk.List(0).Hooks);
        Assert.Equal(
            ErrorCode.PermissionDenied, (await fixture.Desk.UpdateAsync(3, id, new WebhookWish { Tenant = 4 }, CancellationToken.None)).Refusal?.Code);
        Assert.Null(await fixture.Desk.DeleteAsync(3, id, CancellationToken.None));
        Assert.Empty(fixture.Desk.List(0).Hooks);
    }

    [Fact]
    public async Task Over_restarts_each_event_is_sent_and_what_was_under_way_again_under_its_id()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        await fixture.CreateAsync(receiver.Url);
        receiver.Answer = static (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
        fixture.Tell("wayang.test.one");
        var first = await receiver.NextAsync(); // it came, and the node ends before it knows
        for (var i = 0; i < 20; i++)
        {
            fixture.Tell("wayang.test.more");
        }

        await fixture.UntilAsync("all are stored", () => fixture.Events.Stream.Told == 21);
        var last = fixture.Events.Stream.Last;
        await fixture.RestartAsync();
        receiver.Status(204);
        var ids = new List<string>();
        while (ids.Distinct(StringComparer.Ordinal).Count() < 21)
        {
            ids.Add((await receiver.NextAsync()).Id);
        }

        Assert.Contains(first.Id, ids);
        Assert.Equal(21, ids.Select(static id => long.Parse(id.Split('_')[2], System.Globalization.CultureInfo.InvariantCulture)).Where(n => n <= last).Distinct().Count());
    }

    [Fact]
    public async Task One_that_is_slow_or_gone_costs_the_others_nothing()
    {
        await using var slow = await Receiver.StartAsync();
        await using var quick = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        slow.Answer = static (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
        var (hung, _) = await fixture.CreateAsync(slow.Url);
        await fixture.CreateAsync("http://127.0.0.1:9/");
        await fixture.CreateAsync(quick.Url);
        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 100; i++)
        {
            fixture.Tell("wayang.test.one");
        }

        while (ids.Count < 100)
        {
            ids.Add((await quick.NextAsync()).Id);
        }

        // No more than its share was tried at once.
        for (var i = 0; i < fixture.Options.Parallel; i++)
        {
            await slow.NextAsync();
        }

        Assert.True(slow.IsQuiet);
        await fixture.UntilAsync("all wait", () => fixture.Get(hung).Backlog.Waiting == 100);
    }

    [Fact]
    public async Task At_its_bound_events_wait_in_the_stream_and_that_is_told()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(new WebhookOptions { AllowPrivate = true, MostMessages = 10, Parallel = 1 });
        receiver.Status(500);
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        for (var i = 0; i < 50; i++)
        {
            fixture.Tell("wayang.test.one");
        }

        await fixture.UntilAsync("it is full", () => fixture.Get(id).Backlog.Waiting == 10 && fixture.Get(id).Problem is not null);
        Assert.Contains("webhooks.messages", fixture.Get(id).Problem, StringComparison.Ordinal);
        receiver.Status(204);
        var ids = new HashSet<string>(StringComparer.Ordinal);
        await fixture.UntilAsync("all fifty came", () =>
        {
            fixture.Clock.Advance(TimeSpan.FromSeconds(5));
            while (receiver.TryNext() is { } came)
            {
                ids.Add(came.Id);
            }

            return ids.Count == 50;
        });
        await fixture.UntilAsync("nothing is left", () => fixture.Get(id).Backlog == default);
        Assert.Null(fixture.Get(id).Problem);
    }

    [Fact]
    public async Task One_that_begins_behind_a_number_is_told_what_is_kept_and_one_that_does_not_from_now_on()
    {
        await using var early = await Receiver.StartAsync();
        await using var late = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        fixture.Tell("wayang.test.before");
        await fixture.UntilAsync("it is stored", () => fixture.Events.Stream.Told == 1);
        await fixture.CreateAsync(early.Url, new WebhookWish { Since = 0 });
        await fixture.CreateAsync(late.Url);
        fixture.Tell("wayang.test.after");
        Received[] came = [await early.NextAsync(), await early.NextAsync()];
        Assert.Equal(["wayang.test.after", "wayang.test.before"], came.Select(static r => r.Type).Order(StringComparer.Ordinal));
        Assert.Equal("wayang.test.after", (await late.NextAsync()).Type);

        // A number that was never told here would be behind nothing: it is said, not taken for now.
        var (_, refusal) = await fixture.Desk.CreateAsync(0, new WebhookWish { Url = late.Url, Since = fixture.Events.Stream.Last + 1_000_000 }, CancellationToken.None);
        Assert.Equal((ErrorCode.InvalidArgument, "since"), (refusal!.Code, refusal.Field));
    }

    [Fact]
    public async Task One_that_comes_too_late_is_told_what_is_missing()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(kept: 16);
        var (id, secret) = await fixture.CreateAsync(receiver.Url);
        await fixture.Desk.UpdateAsync(0, id, new WebhookWish { IsEnabled = false }, CancellationToken.None);
        var from = fixture.Get(id).Cursor + 1;
        for (var i = 0; i < 100; i++)
        {
            fixture.Tell("wayang.test.one");
        }

        await fixture.UntilAsync("all but the last are forgotten", () =>
        {
            fixture.Clock.Advance(TimeSpan.FromSeconds(10)); // the ledger looks so often, when something is posted
            fixture.Tell("wayang.test.one");
            return fixture.Events.Stream.Read(from, 1, new EventFilter { Type = "none" }).Next > from + 100;
        });
        await fixture.Desk.UpdateAsync(0, id, new WebhookWish { IsEnabled = true }, CancellationToken.None);
        var came = await receiver.NextAsync();
        while (came.Type != "wayang.events.gap")
        {
            came = await receiver.NextAsync();
        }

        Assert.True(came.IsSignedBy(secret));
        Assert.Equal(from, came.Event.GetProperty("data").GetProperty("from").GetInt64());
    }

    [Fact]
    public async Task More_than_the_bound_are_refused_and_all_are_counted()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(new WebhookOptions { AllowPrivate = true, Most = 2 });
        var (id, _) = await fixture.CreateAsync(receiver.Url);
        await fixture.CreateAsync(receiver.Url, new WebhookWish { Type = "wayang.none" });
        Assert.Equal(ErrorCode.ResourceExhausted, (await fixture.Desk.CreateAsync(0, new WebhookWish { Url = receiver.Url }, CancellationToken.None)).Refusal?.Code);
        fixture.Tell("wayang.test.one");
        await fixture.Store.NextAsync();
        await fixture.UntilAsync("it is counted", () => fixture.Get(id).Backlog == default);
        var page = new Exposition(10);
        fixture.Desk.WriteMetrics(page);
        Assert.Contains("wayang_webhooks 2\n", page.ToString(), StringComparison.Ordinal);
        Assert.Contains("wayang_webhook_deliveries_total{outcome=\"delivered\"} 1\n", page.ToString(), StringComparison.Ordinal);
        Assert.Contains("wayang_webhook_messages_waiting 0\n", page.ToString(), StringComparison.Ordinal);
        Assert.Contains("wayang_webhook_messages_dead 0\n", page.ToString(), StringComparison.Ordinal);
    }
}
