using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>The sections grpc and rest: off by default, tokens for those who come over TCP, open to other hosts only when that is said.</summary>
[Trait("Promise", "COM1")]
public sealed class DoorSettingsTests
{
    private const string Tokens = "\nrpc_tcp:\n  tokens_file: /etc/wayang/tokens";

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1:7802")]
    [InlineData("localhost:9000", "127.0.0.1:9000")]
    [InlineData("127.0.0.1:0", "127.0.0.1:0")]
    [InlineData("'[::1]:7802'", "[::1]:7802")]
    public void An_address_is_read(string text, string place) =>
        Assert.Equal(place, Parse($"grpc:\n  address: {text}{Tokens}").Grpc.Address!.ToString());

    [Fact]
    public void Each_door_has_its_port() => Assert.Equal("127.0.0.1:7803", Parse($"rest:\n  address: 127.0.0.1{Tokens}").Rest.Address!.ToString());

    [Theory]
    [InlineData("rest:\n  address: 127.0.0.1:7803", "'rpc_tcp.tokens_file': is needed beside rest.address")]
    [InlineData("rest:\n  address: 0.0.0.0:7803" + Tokens, "'rest.address': 0.0.0.0:7803 can be reached from other hosts")]
    [InlineData("grpc:\n  address: 127.0.0.1:7802", "'rpc_tcp.tokens_file': is needed beside grpc.address")]
    [InlineData("grpc:\n  address: 0.0.0.0:7802" + Tokens, "'grpc.address': 0.0.0.0:7802 can be reached from other hosts")]
    [InlineData("grpc:\n  address: somewhere" + Tokens, "'grpc.address': must be ADDRESS:PORT")]
    [InlineData("grpc:\n  socket: here.sock", "'grpc.socket': must be an absolute path")]
    [InlineData("grpc:\n  allow_remote: perhaps", "'grpc.allow_remote': must be true or false")]
    [InlineData("grpc:\n  sokket: /tmp/x", "did you mean 'grpc.socket'")]
    public void What_is_wrong_is_told(string text, string words) =>
        Assert.Contains(words, Assert.Throws<ConfigurationException>(() => Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_unix_socket_asks_for_no_tokens_and_nothing_listens_by_default()
    {
        Assert.False(Parse("http_port: 0").Grpc.IsOpen);
        var settings = Parse("grpc:\n  socket: /run/wayang/grpc.sock");
        Assert.True(settings.Grpc.IsOpen && !settings.AsksForTokens);
    }

    private static FileSettings Parse(string text) => ConfigurationFile.Parse("w.yaml", text);
}
