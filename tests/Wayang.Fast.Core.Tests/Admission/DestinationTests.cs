using System.Net;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Tests.Admission;

/// <summary>Where connections may go: what is granted, and what covers it.</summary>
[Trait("Promise", "IM2")]
public sealed class DestinationTests
{
    [Theory]
    [InlineData("*:*", "example.com:443", true)]
    [InlineData("*:443", "example.com:80", false)]
    [InlineData("*:*", "93.184.216.34:443", true)]
    [InlineData("*:*", "127.0.0.1:80", false)]
    [InlineData("*:*", "169.254.169.254:80", false)]
    [InlineData("*:*", "10.1.2.3:80", false)]
    [InlineData("*:*", "[fd00::1]:80", false)]
    [InlineData("*:*", "[::1]:80", false)]
    [InlineData("*:*", "[2002:a00:1::]:80", false)]
    [InlineData("10.0.0.0/8:*", "10.1.2.3:5432", true)]
    [InlineData("10.0.0.0/8:*", "10.0.0.0/7:5432", false)]
    [InlineData("10.0.0.0/8:*", "11.1.2.3:5432", false)]
    [InlineData("*.example.com:443", "a.example.com:443", true)]
    [InlineData("*.example.com:443", "example.com:443", false)]
    [InlineData("*.example.com:443", "aexample.com:443", false)]
    [InlineData("*.example.com:443", "*.b.example.com:443", true)]
    [InlineData("*.example.com:443", "*:443", false)]
    [InlineData("example.com:443", "example.com:*", false)]
    public void A_ceiling_covers_what_lies_within_it(string ceiling, string wanted, bool covers)
    {
        Assert.True(Destination.TryParse(ceiling, out var most, out _));
        Assert.True(Destination.TryParse(wanted, out var grant, out _));
        Assert.Equal(covers, most!.Covers(grant!));
    }

    [Theory]
    [InlineData("example.com")]
    [InlineData("example.com:0")]
    [InlineData("example.com:65536")]
    [InlineData(":443")]
    [InlineData("exa mple.com:443")]
    [InlineData("2001:db8::1:443x")]
    [InlineData("[example.com]:443")]
    [InlineData("-x.com:443")]
    [InlineData("a..b:443")]
    public void What_is_no_destination_is_refused_with_an_example(string text)
    {
        Assert.False(Destination.TryParse(text, out _, out var why));
        Assert.Contains("write HOST:PORT", why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_opens_no_private_address_and_an_address_no_name()
    {
        Assert.True(Destination.TryParse("db.internal:5432", out var name, out _));
        Assert.True(name!.Matches("DB.internal.", literal: null, 5432));
        Assert.False(name.AllowsAddress(IPAddress.Parse("10.0.0.7"), 5432));
        Assert.True(Destination.TryParse("10.0.0.7:5432", out var address, out _));
        Assert.False(address!.Matches("db.internal", literal: null, 5432));
        Assert.True(address.AllowsAddress(IPAddress.Parse("10.0.0.7"), 5432));
        Assert.False(address.AllowsAddress(IPAddress.Parse("10.0.0.7"), 22));
    }

    [Fact]
    public void Equal_grants_have_equal_keys()
    {
        var one = TaskGrants.TryMake(["b.com:1", "A.com:2", "a.com:2"], out _);
        var other = TaskGrants.TryMake(["a.com:2", "b.com:1"], out _);
        Assert.Equal("connect=a.com:2 connect=b.com:1", one!.Key);
        Assert.Equal(one.Key, other!.Key);
    }
}
