using Wayang.Fast.Cluster.Migration;
using Wayang.Fast.Contracts.Operations;
using Xunit;

namespace Wayang.Fast.Host.Tests.Migration;

/// <summary>Which peer a call is sent to: the one with the most slots that nobody waits for, by what it said and what was sent to it since.</summary>
[Trait("Promise", "PS2")]
public sealed class PeerRoomTests
{
    private readonly HandClock _clock = new();

    [Fact]
    public void The_most_free_slots_win_and_who_waits_there_counts_as_well_as_who_runs()
    {
        var room = new PeerRoom(new ToldPeers(ToldPeers.Peer("a", 1, 0, 4), ToldPeers.Peer("b", 0, 3, 8), ToldPeers.Peer("c", 0, 8, 9)), _clock);
        Assert.Equal("b", room.Find(static _ => false, out _));
        Assert.Equal("a", room.Find(static peer => peer == "b", out _));
        Assert.Equal("c", room.Find(static peer => peer is "a" or "b", out _));
    }

    [Fact]
    public void Where_nobody_has_room_it_is_told_of_each_why()
    {
        var room = new PeerRoom(new ToldPeers(ToldPeers.Peer("full", 3, 2, 4), ToldPeers.Peer("drained", 0, 0, 0), ToldPeers.Peer("gone", 0, 0, 9, PeerState.Lost)), _clock);
        Assert.Null(room.Find(static _ => false, out var why));
        Assert.Equal("no peer has room for it (full has 3 running and 2 waiting for 4 slots; drained has 0 running and 0 waiting for 0 slots; gone is lost)", why);
        Assert.Null(new PeerRoom(new ToldPeers(), _clock).Find(static _ => false, out var alone));
        Assert.Equal("this node has no peers", alone);
    }

    [Fact]
    public void What_was_sent_counts_until_the_peer_must_have_said_it_itself()
    {
        var room = new PeerRoom(new ToldPeers(ToldPeers.Peer("a", 0, 0, 2), ToldPeers.Peer("b", 0, 0, 1)), _clock);
        room.Send("a");
        room.Send("a");
        Assert.Equal("b", room.Find(static _ => false, out _));
        room.Send("b");
        Assert.Null(room.Find(static _ => false, out _));
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Null(room.Find(static _ => false, out _)); // to the tick
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal("a", room.Find(static _ => false, out _));
    }
}
