using System.Net;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.Gateway.Webhooks;
using Xunit;

namespace Wayang.Fast.Webhooks.Tests;

/// <summary>No webhook makes the daemon connect to what is not of the public internet, whatever a name stands for.</summary>
[Trait("Promise", "COM6")]
public sealed class AddressGuardTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("0.0.0.0")]
    [InlineData("0.1.2.3")]
    [InlineData("10.0.0.1")]
    [InlineData("100.64.0.1")]
    [InlineData("100.127.255.255")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.8")]
    [InlineData("192.0.2.1")]
    [InlineData("192.88.99.1")]
    [InlineData("192.168.1.1")]
    [InlineData("198.18.0.1")]
    [InlineData("198.19.255.255")]
    [InlineData("198.51.100.7")]
    [InlineData("203.0.113.7")]
    [InlineData("224.0.0.1")]
    [InlineData("239.255.255.255")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("::7f00:1")] // IPv4-compatible
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:8.8.8.8")] // whatever it is: it has a plain form
    [InlineData("64:ff9b::7f00:1")] // NAT64
    [InlineData("64:ff9b::808:808")]
    [InlineData("64:ff9b:1::1")]
    [InlineData("100::1")]
    [InlineData("2001::1")] // Teredo
    [InlineData("2001:10::1")]
    [InlineData("2001:db8::1")]
    [InlineData("2002:7f00:1::1")] // 6to4
    [InlineData("3fff::1")]
    [InlineData("fc00::1")]
    [InlineData("fd12:3456::1")]
    [InlineData("fe80::1")]
    [InlineData("fe80::1%1")]
    [InlineData("fec0::1")]
    [InlineData("ff02::1")]
    [InlineData("5f00::1")]
    public void What_is_not_public_is_refused(string address) => Assert.NotNull(AddressGuard.Refuse(IPAddress.Parse(address), allowPrivate: false));

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("1.1.1.1")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("172.32.0.1")]
    [InlineData("193.0.0.1")]
    [InlineData("223.255.255.255")]
    [InlineData("2606:4700:4700::1111")]
    [InlineData("2a00:1450:4001::200e")]
    public void What_is_public_is_open(string address) => Assert.Null(AddressGuard.Refuse(IPAddress.Parse(address), allowPrivate: false));

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("10.1.2.3", true)]
    [InlineData("::1", true)]
    [InlineData("fd00::1", true)]
    [InlineData("::ffff:10.0.0.1", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("::", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("::ffff:224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("ff02::1", false)]
    public void Where_private_ones_are_allowed_a_single_host_is_still_meant(string address, bool open) => Assert.Equal(open, AddressGuard.Refuse(IPAddress.Parse(address), allowPrivate: true) is null);

    [Theory]
    [InlineData("ftp://example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("/relative")]
    [InlineData("https://")]
    [InlineData("https://user:word@example.com/")]
    [InlineData("https://example.com/#part")]
    [InlineData("http://example.com/")]
    [InlineData("https://127.0.0.1/")]
    [InlineData("https://2130706433/")] // the same, as one number
    [InlineData("https://0x7f.1/")]
    [InlineData("https://[::1]/")]
    [InlineData("https://[::ffff:10.0.0.1]/")]
    [InlineData("https://169.254.169.254/latest/meta-data")]
    public void An_address_that_could_not_be_told_is_refused_when_it_is_given(string url) => Assert.Equal("url", WebhookTarget.Refuse(url, allowPrivate: false)?.Field);

    [Theory]
    [InlineData("https://example.com/hooks?key=1", false)]
    [InlineData("https://example.com:8443/", false)]
    [InlineData("https://8.8.8.8/", false)]
    [InlineData("http://127.0.0.1:8080/", true)]
    [InlineData("http://receiver.internal/", true)]
    public void Others_are_taken(string url, bool allowPrivate) => Assert.Null(WebhookTarget.Refuse(url, allowPrivate));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("8.8.8.8 10.0.0.7")] // one bad one spoils the name: the next answer might have it first
    [InlineData("::ffff:127.0.0.1")]
    public async Task A_name_that_stands_for_something_private_is_not_connected_to(string addresses)
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture(new WebhookOptions { AllowPrivate = false, Attempts = 1 });
        fixture.Names = _ => [.. addresses.Split(' ').Select(IPAddress.Parse)];
        await fixture.CreateAsync($"https://receiver.example:{new Uri(receiver.Url).Port}/");
        fixture.Tell("wayang.test.one");
        var tried = await fixture.Store.NextAsync();
        Assert.Equal((AttemptOutcome.Dead, 0), (tried.Outcome, tried.Status));
        Assert.Contains("receiver.example is ", tried.Detail, StringComparison.Ordinal);
        Assert.Contains("webhooks.allow_private", tried.Detail, StringComparison.Ordinal);
        Assert.True(receiver.IsQuiet);
    }

    [Fact]
    public async Task A_name_is_asked_for_once_and_exactly_what_was_judged_is_connected_to()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var fixture = new WebhookFixture();
        var asked = 0;
        fixture.Names = _ => Interlocked.Increment(ref asked) == 1 ? [IPAddress.Loopback] : [IPAddress.Parse("10.255.255.1")];
        await fixture.CreateAsync($"http://receiver.example:{new Uri(receiver.Url).Port}/");
        fixture.Tell("wayang.test.one");
        await receiver.NextAsync();
        Assert.Equal(AttemptOutcome.Delivered, (await fixture.Store.NextAsync()).Outcome);
        Assert.Equal(1, asked);
    }
}
