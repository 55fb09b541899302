using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>The section rpc_tcp: off by default, and open to other hosts only when that is said.</summary>
[Trait("Promise", "COM7")]
public sealed class RpcTcpSettingsTests
{
    private const string Tokens = "\n  tokens_file: /etc/wayang/tokens";

    [Theory]
    [InlineData("127.0.0.1:7800", "127.0.0.1:7800")]
    [InlineData("127.0.0.1", "127.0.0.1:7800")]
    [InlineData("localhost:99", "127.0.0.1:99")]
    [InlineData("'[::1]:99'", "[::1]:99")]
    [InlineData("127.0.0.1:0", "127.0.0.1:0")]
    public void An_address_is_read(string text, string place) =>
        Assert.Equal(place, Parse($"rpc_tcp:\n  address: {text}{Tokens}").RpcTcp.Address!.ToString());

    [Theory]
    [InlineData("rpc_tcp:\n  address: somewhere" + Tokens, "'rpc_tcp.address': must be ADDRESS:PORT")]
    [InlineData("rpc_tcp:\n  address: 127.0.0.1:70000" + Tokens, "'rpc_tcp.address': must be ADDRESS:PORT")]
    [InlineData("rpc_tcp:\n  address: 127.0.0.1:7800", "'rpc_tcp.tokens_file': is needed")]
    [InlineData("rpc_tcp:\n  address: 0.0.0.0:7800" + Tokens, "allow_remote: true")]
    [InlineData("rpc_tcp:\n  address: '[::]:7800'" + Tokens, "allow_remote: true")]
    [InlineData("rpc_tcp:\n  allow_remote: perhaps", "'rpc_tcp.allow_remote': must be true or false")]
    [InlineData("rpc_tcp:\n  tokens_file: tokens", "'rpc_tcp.tokens_file': must be an absolute path")]
    [InlineData("rpc_tcp:\n  adress: 127.0.0.1", "did you mean 'rpc_tcp.address'")]
    public void What_is_wrong_is_told(string text, string words) =>
        Assert.Contains(words, Assert.Throws<ConfigurationException>(() => Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Other_hosts_come_in_where_that_is_said_and_nothing_listens_by_default()
    {
        Assert.Equal("0.0.0.0:7800", Parse($"rpc_tcp:\n  address: 0.0.0.0\n  allow_remote: true{Tokens}").RpcTcp.Address!.ToString());
        Assert.Null(Parse("http_port: 0").RpcTcp.Address);
    }

    private static FileSettings Parse(string text) => ConfigurationFile.Parse("w.yaml", text);
}
