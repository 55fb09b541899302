using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>Nodes that name each other: they find each other, see when one goes and comes, and believe nobody else.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "COM7")]
public sealed class MembershipTests
{
    private const int Bound = 300_000;

    [Fact(Timeout = Bound)]
    public async Task Nodes_find_each_other_and_see_one_that_is_killed_go_and_come()
    {
        await using var nodes = PeerNodes.Prepare("alpha", "beta");
        await nodes.StartAsync("alpha");
        await nodes.AwaitAsync("alpha", "beta", PeerState.Connecting, "No runtime answers");
        await nodes.StartAsync("beta");
        await nodes.AwaitAsync("beta", "alpha", PeerState.Connected);
        var first = await nodes.AwaitAsync("alpha", "beta", PeerState.Connected);
        Assert.True(first.Load.Slots > 0 && first.RoundTrip > TimeSpan.Zero && first.Version.Length > 0, first.ToString());
        var told = await Finished.RunAsync(Account.Root, [Installation.Wayang, "peers", "--socket", nodes["alpha"].SocketPath]);
        Assert.True(told.Code == 0 && told.Out.Contains("beta", StringComparison.Ordinal) && told.Out.Contains("connected", StringComparison.Ordinal), told.ToString());

        await using var client = await nodes["alpha"].ConnectAsync();
        Signals.Kill(nodes["beta"].Daemon); // its keeper starts another one
        var since = 0L;
        var types = new List<string>();
        await Eventually.ValueAsync("alpha tells that beta was lost and came again", async () =>
        {
            var batch = await client.ListEventsAsync(new EventQuery { Type = "wayang.peer", Since = since });
            since = batch.Next;
            types.AddRange(batch.Events.Select(static e => e.Type));
            return types.Contains("wayang.peer.lost") && types.LastIndexOf("wayang.peer.connected") > types.IndexOf("wayang.peer.lost") ? "" : null;
        });
        var again = await nodes.AwaitAsync("alpha", "beta", PeerState.Connected);
        Assert.True(again.Since > first.Since);
        Assert.NotNull((await nodes.AwaitAsync("alpha", "beta", PeerState.Connected)).Heard);
    }

    [Fact(Timeout = Bound)]
    public async Task Who_is_no_peer_is_refused_and_a_peer_may_only_what_peers_may()
    {
        await using var nodes = PeerNodes.Prepare("alpha", "beta");
        nodes.Authority.Issue("gamma", isServer: true, ["127.0.0.1"], TimeSpan.FromHours(1), isPeer: true);
        nodes.Give();
        await nodes.StartAsync("alpha");
        await nodes.StartAsync("beta", certificate: "gamma"); // signed by their authority, and not beta's
        Assert.NotEmpty((await nodes.AwaitAsync("alpha", "beta", PeerState.Refused)).Reason);
        await nodes.AwaitAsync("beta", "alpha", PeerState.Refused, "does not take this node for a peer");

        // An operator may everything, and is no node.
        await using var operatorsOwn = await nodes["alpha"].ConnectAsync();
        var greeting = new NodeGreeting("beta", "0", "1", PeerFields.Protocol, NodeLoad.None);
        var refused = await Assert.ThrowsAsync<WayangException>(() => operatorsOwn.GreetAsync(greeting, CancellationToken.None));
        Assert.Equal(ErrorCode.PermissionDenied, refused.Code);

        // Beta's certificate, in whoever's hands: it may greet by its name, and see and run nothing.
        await using var peer = await nodes.ShowAsync("alpha", "beta");
        Assert.Equal("alpha", (await peer.GreetAsync(greeting, CancellationToken.None)).Node);
        Assert.Equal("node", (await Assert.ThrowsAsync<WayangException>(() => peer.GreetAsync(greeting with { Node = "gamma" }, CancellationToken.None))).Field);
        foreach (var ask in new Func<Task>[] { () => peer.ListTasksAsync(), () => peer.NodeInfoAsync(), () => peer.ListPeersAsync(), () => peer.RunCommandAsync(["/bin/true"]) })
        {
            Assert.Equal(ErrorCode.PermissionDenied, (await Assert.ThrowsAsync<WayangException>(ask)).Code);
        }

        Assert.Equal(ErrorCode.Unauthenticated, (await Assert.ThrowsAsync<WayangException>(() => nodes.ShowAsync("alpha", "gamma"))).Code);
    }
}
