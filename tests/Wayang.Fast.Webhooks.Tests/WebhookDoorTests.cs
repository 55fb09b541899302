using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Gateway.MessagePackRpc;
using Wayang.Fast.Gateway.Tests;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>The operations of webhooks, by the client over MessagePack-RPC; the other doors translate the same maps.</summary>
[Trait("Promise", "COM6")]
public sealed class WebhookDoorTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("wayang-hookdoor-");

    private string SocketPath => Path.Combine(_directory.FullName, "w.sock");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_webhook_is_made_seen_changed_rotated_replayed_and_removed()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        await fixture.LoadedAsync();
        await using var server = Serve(fixture, tenant: 0);
        await using var client = await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });
        var given = "whsec_" + Convert.ToBase64String(new byte[24]);
        var made = await client.CreateWebhookAsync(new WebhookSpec { Address = receiver.Url, Type = "wayang.test", Severity = "info", Tenant = 3, Secret = given });
        Assert.Equal(given, made.Secret);
        Assert.Null(made.FormerUntil);
        fixture.Tell("wayang.test.one", tenant: 3);
        Assert.True((await receiver.NextAsync()).IsSignedBy(given));
        await fixture.Store.NextAsync();
        await fixture.UntilAsync("it is delivered", () => fixture.Get(made.Webhook).Backlog == default);

        var seen = Assert.Single(await client.ListWebhooksAsync());
        Assert.Equal(await client.GetWebhookAsync(made.Webhook), seen);
        Assert.Equal((made.Webhook, receiver.Url, "wayang.test", "info", 3, 0, true), (seen.Webhook, seen.Address, seen.Type, seen.Severity, seen.Tenant, seen.Owner, seen.Enabled));
        var delivered = Assert.Single(await client.ListDeliveriesAsync(made.Webhook));
        Assert.Equal(("delivered", 204, 1, "wayang.test.one", $"msg_{made.Webhook}_{delivered.Event}"), (delivered.Outcome, delivered.Status, delivered.Attempt, delivered.Type, delivered.Message));
        Assert.Empty(await client.ListDeliveriesAsync(made.Webhook, "dead"));

        var changed = await client.UpdateWebhookAsync(made.Webhook, new WebhookSpec { Severity = "error", Enabled = false });
        Assert.Equal(("error", false, "wayang.test", receiver.Url), (changed.Severity, changed.Enabled, changed.Type, changed.Address));
        var rotated = await client.RotateWebhookAsync(made.Webhook, TimeSpan.FromHours(1));
        Assert.NotEqual(given, rotated.Secret);
        Assert.Equal(fixture.Clock.GetUtcNow() + TimeSpan.FromHours(1), rotated.FormerUntil);
        Assert.Equal(0, await client.ReplayWebhookAsync(made.Webhook));
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<WayangException>(() => client.ReplayWebhookAsync(made.Webhook, 7))).Code);
        await client.DeleteWebhookAsync(made.Webhook);
        Assert.Empty(await client.ListWebhooksAsync());
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<WayangException>(() => client.GetWebhookAsync(made.Webhook))).Code);
    }

    [Fact]
    public async Task Deliveries_are_told_page_by_page_and_a_cursor_of_another_list_is_refused()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        await fixture.LoadedAsync();
        await using var server = Serve(fixture, tenant: 0);
        await using var client = await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });
        var made = await client.CreateWebhookAsync(new WebhookSpec { Address = receiver.Url });
        for (var i = 0; i < 3; i++)
        {
            fixture.Tell("wayang.test.page");
            await receiver.NextAsync();
            await fixture.Store.NextAsync();
        }

        var first = await client.ListDeliveryPageAsync(made.Webhook, null, 2, null);
        Assert.Equal(2, first.Deliveries.Count);
        var second = await client.ListDeliveryPageAsync(made.Webhook, "delivered", 2, first.Next);
        Assert.Null(second.Next);
        Assert.Equal(await client.ListDeliveriesAsync(made.Webhook), first.Deliveries.Concat(second.Deliveries));
        var other = await client.CreateWebhookAsync(new WebhookSpec { Address = receiver.Url });
        foreach (var (webhook, cursor) in new[] { (other.Webhook, first.Next), (made.Webhook, "none"), (made.Webhook, first.Next![..^1]) })
        {
            var refused = await Assert.ThrowsAsync<WayangException>(() => client.ListDeliveryPageAsync(webhook, null, 2, cursor));
            Assert.Equal((ErrorCode.InvalidArgument, "cursor"), (refused.Code, refused.Field));
        }
    }

    [Theory]
    [InlineData("https://127.0.0.1/", null, "url")]
    [InlineData("http://example.com/", null, "url")]
    [InlineData("example.com", null, "url")]
    [InlineData("https://example.com/", "secret", "secret")]
    [InlineData("https://example.com/", "whsec_c2hvcnQ=", "secret")]
    [InlineData("https://example.com/", "whsec_!", "secret")]
    public async Task What_cannot_be_is_refused_with_the_field_and_the_remedy(string url, string? secret, string field)
    {
        await using var fixture = new WebhookFixture(new Gateway.Webhooks.WebhookOptions());
        await fixture.LoadedAsync();
        await using var server = Serve(fixture, tenant: 3);
        await using var client = await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });
        var refusal = await Assert.ThrowsAsync<WayangException>(() => client.CreateWebhookAsync(new WebhookSpec { Address = url, Secret = secret }));
        Assert.Equal((ErrorCode.InvalidArgument, field), (refusal.Code, refusal.Field));
        Assert.Equal(
            ErrorCode.PermissionDenied,
            (await Assert.ThrowsAsync<WayangException>(() => client.CreateWebhookAsync(new WebhookSpec { Address = "https://example.com/", Tenant = 4 }))).Code);
    }

    [Fact]
    public async Task A_node_without_a_ledger_says_what_is_missing()
    {
        await using var fixture = new WebhookFixture();
        await using var server = RpcServer.Start(new RpcServerOptions { SocketPath = SocketPath, Authorize = static _ => 0 }, new InMemoryTaskService());
        await using var client = await WayangClient.ConnectAsync(new WayangClientOptions { SocketPath = SocketPath });
        var refusal = await Assert.ThrowsAsync<WayangException>(() => client.ListWebhooksAsync());
        Assert.Equal(ErrorCode.Unsupported, refusal.Code);
        Assert.Contains("state.directory", refusal.Message, StringComparison.Ordinal);
    }

    private RpcServer Serve(WebhookFixture fixture, int tenant) =>
        RpcServer.Start(new RpcServerOptions { SocketPath = SocketPath, Authorize = _ => tenant, Webhooks = fixture.Desk, Events = fixture.Events.Stream }, new InMemoryTaskService());
}
