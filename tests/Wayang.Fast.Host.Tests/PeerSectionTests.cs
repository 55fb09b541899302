using Wayang.Fast.Host.Configuration;
using Xunit;

namespace Wayang.Fast.Host.Tests;

[Trait("Promise", "PS2")]
public sealed class PeerSectionTests
{
    private const string Around = "node: {name: me}\nrpc_tcp: {address: '127.0.0.1:1'}\ntls: {certificate_file: /a, key_file: /b, client_ca_file: /c}\n";

    private static readonly string s_digits = new('a', 64);

    [Fact]
    public void Every_key_sets_what_it_names_and_peers_need_no_tokens()
    {
        var settings = Of($$"""
            {{Around}}peers:
              - {name: b, address: 'tls://b.example:7800', certificate: b.example, fingerprint: '{{string.Join(':', Enumerable.Repeat("AA", 32))}}'}
              - {name: c, address: 'tls://[::1]'}
            """).OrThrow().Settings;
        Assert.Equal("me", settings.Runtime.NodeName);
        Assert.Equal(("b", "b.example", s_digits, "tls://b.example:7800"), (settings.Peers[0].Name, settings.Peers[0].Spec.Certificate, settings.Peers[0].Spec.Fingerprint, settings.Peers[0].Spec.Address.ToString()));
        Assert.Equal(("c", "c", null, "tls://[::1]:7800"), (settings.Peers[1].Name, settings.Peers[1].Spec.Certificate, settings.Peers[1].Spec.Fingerprint, settings.Peers[1].Spec.Address.ToString()));
        Assert.Equal("tls://b.example:7800, certificate b.example, fingerprint " + s_digits, settings.Peers[0].Terms);
    }

    [Theory]
    [InlineData("peers: b\n", "'peers': must be a list of at most 64 nodes")]
    [InlineData("peers: [b]\n", "'peers[0]': must be keys and values")]
    [InlineData("peers: [{address: 'tls://b'}]\n", "'peers[0]': has no name")]
    [InlineData("peers: [{name: b}]\n", "'peers[0]': has no address")]
    [InlineData("peers: [{name: a b, address: 'tls://b'}]\n", "'peers[0].name': must be 1 to 63 of A-Z a-z 0-9 . _ -, as node.name says there, not 'a b'")]
    [InlineData("peers: [{name: b, address: 'tcp://b'}]\n", "'peers[0].address': must be tls://HOST[:PORT]: nodes speak to each other encrypted, not 'tcp://b'")]
    [InlineData("peers: [{name: b, address: 'tls://b', certificate: 'b b'}]\n", "'peers[0].certificate': must be the common name")]
    [InlineData("peers: [{name: b, address: 'tls://b', fingerprint: abc}]\n", "'peers[0].fingerprint': must be 64 hexadecimal digits")]
    [InlineData("peers: [{name: b, adress: 'tls://b'}]\n", "'peers[0].adress': no such key; did you mean 'address'?")]
    [InlineData("peers: [{name: b, address: 'tls://b'}, {name: b, address: 'tls://c', certificate: c}]\n", "'peers[1]': the name 'b' stands twice")]
    [InlineData("peers: [{name: b, address: 'tls://b'}, {name: c, address: 'tls://c', certificate: b}]\n", "'peers[1]': its certificate 'b' is that of 'b', too")]
    [InlineData("peers: [{name: b, address: 'tls://b'}, {name: c, address: 'tls://b'}]\n", "'peers[1]': its address tls://b:7800 is that of 'b', too")]
    [InlineData("peers: [{name: me, address: 'tls://b'}]\n", "'node.name': is 'me', too: a node is no peer of its own")]
    public void What_is_wrong_is_named(string peers, string says) =>
        Assert.Contains(Of(Around + peers).Problems, problem => problem.ToString().Contains(says, StringComparison.Ordinal));

    [Theory]
    [InlineData("rpc_tcp.address")]
    [InlineData("tls.certificate_file")]
    [InlineData("tls.client_ca_file")]
    public void Peers_need_a_door_and_certificates(string key) =>
        Assert.Contains(Of("peers: [{name: b, address: 'tls://b'}]\n").Problems, problem => problem.Key == key);

    private static NodeConfiguration Of(string text) => NodeConfiguration.Of(new ConfigurationInput { Path = "node.yaml", Text = text });
}
