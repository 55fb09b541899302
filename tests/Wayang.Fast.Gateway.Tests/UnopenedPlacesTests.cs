using System.Net;
using Wayang.Fast.Gateway.MessagePackRpc;
using Xunit;

namespace Wayang.Fast.Gateway.Tests;

/// <summary>Places of peers without a session: who stands still loses one to a newcomer, who came just now does not, and there are never more.</summary>
[Trait("Promise", "COM7")]
public sealed class UnopenedPlacesTests
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(1);

    private readonly StandingClock _clock = new();
    private readonly UnopenedPlaces _places;

    public UnopenedPlacesTests() => _places = new UnopenedPlaces(8, s_grace, _clock);

    [Fact]
    public void An_address_that_fills_them_loses_its_oldest_to_others_at_once()
    {
        var crowd = Enumerable.Range(0, 8).Select(_ => Come("10.0.0.1")).ToList();
        var newcomer = Come("10.0.0.2");
        Assert.NotNull(newcomer.Place);
        Assert.Equal([true, .. Enumerable.Repeat(false, 7)], crowd.Select(static c => c.IsClosed)); // the oldest, and nobody else
        Assert.Equal((8, 1), (_places.Count, _places.Evicted));
        Assert.False(crowd[0].Place!.Leave()); // it may not come in any more
        Assert.True(newcomer.Place!.Leave());
        Assert.Equal(7, _places.Count);
    }

    [Fact]
    public void Who_came_just_now_keeps_its_place_and_who_had_its_time_does_not()
    {
        var crowd = Enumerable.Range(0, 8).Select(_ => Come("10.0.0.1")).ToList();
        Assert.Null(Come("10.0.0.1").Place);
        Assert.DoesNotContain(crowd, static c => c.IsClosed);
        _clock.Advance(s_grace);
        for (var i = 0; i < 8; i++)
        {
            Assert.NotNull(Come("10.0.0.1").Place);
            Assert.Equal(i + 1, crowd.Count(static c => c.IsClosed));
        }

        Assert.Null(Come("10.0.0.1").Place); // all came just now
        Assert.Equal((8, 8), (_places.Count, _places.Evicted));
    }

    [Fact]
    public void Many_addresses_of_one_each_lose_only_those_that_had_their_time_and_the_greedy_first()
    {
        var honest = Enumerable.Range(1, 4).Select(i => Come($"10.0.1.{i}")).ToList();
        var pair = Enumerable.Range(0, 2).Select(_ => Come("10.0.2.1")).ToList();
        var others = Enumerable.Range(1, 2).Select(i => Come($"10.0.3.{i}")).ToList();
        Assert.Null(Come("10.0.9.9").Place); // two are within a share
        _clock.Advance(s_grace);
        Assert.NotNull(Come("10.0.9.9").Place);
        Assert.True(pair[0].IsClosed);
        Assert.DoesNotContain([.. honest, pair[1], .. others], static c => c.IsClosed);
    }

    [Fact]
    public void A_network_of_version_6_is_one_address_and_a_mapped_one_is_that_of_version_4()
    {
        var crowd = Enumerable.Range(1, 8).Select(i => Come($"2001:db8::{i}")).ToList();
        Assert.Null(Come("2001:db8::ffff").Place);
        Assert.NotNull(Come("2001:db8:0:1::1").Place);
        Assert.True(crowd[0].IsClosed);
        Assert.True(Enumerable.Range(0, 8).All(_ => Come("10.0.0.1").Place is null or { Address.AddressFamily: System.Net.Sockets.AddressFamily.InterNetwork }));
        Assert.Equal(IPAddress.Parse("10.0.0.7"), Come("::ffff:10.0.0.7").Place!.Address);
    }

    [Fact]
    public void A_place_is_handed_on_with_the_connection_and_is_free_when_it_was_left()
    {
        var first = Come("10.0.0.1");
        using var connection = new Holder();
        Assert.True(first.Place!.HandTo(connection));
        for (var i = 0; i < 7; i++)
        {
            Come("10.0.0.1");
        }

        Come("10.0.0.2");
        Assert.Equal((false, true), (first.IsClosed, connection.IsClosed)); // whoever has it now
        using var late = new Holder();
        Assert.False(first.Place.HandTo(late));
        foreach (var _ in Enumerable.Range(0, 3))
        {
            first.Place.Leave(); // of what is lost nothing is given back
        }

        Assert.Equal(8, _places.Count);
    }

    private Holder Come(string address)
    {
        var holder = new Holder();
        holder.Place = _places.Take(IPAddress.Parse(address), holder);
        return holder;
    }

    private sealed class Holder : IDisposable
    {
        public UnopenedPlace? Place { get; set; }

        public bool IsClosed { get; private set; }

        public void Dispose() => IsClosed = true;
    }

    private sealed class StandingClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
