using System.Net;
using System.Net.Sockets;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// The places of connections that have not opened their session yet, their handshake included. They are few, and anybody can take one; so when all are taken a newcomer gets the place of
/// who stands still: the oldest of an address that has more than its share, or one that has had its time. Those are closed. Thread-safe.
/// </summary>
/// <param name="most">Places.</param>
/// <param name="grace">For so long nobody within the share of its address loses a place: an honest peer needs less. Zero: at once.</param>
/// <param name="time">Clock.</param>
public sealed class UnopenedPlaces(int most, TimeSpan grace, TimeProvider time)
{
    /// <summary>Of the places: what an address may have before it loses some to others without delay.</summary>
    private const int ShareOfAddress = 4;

    private readonly List<UnopenedPlace> _places = []; // the oldest first
    private readonly Dictionary<IPAddress, int> _addresses = [];
    private long _evicted;

    internal Lock Gate { get; } = new();

    public int Count
    {
        get
        {
            lock (Gate)
            {
                return _places.Count;
            }
        }
    }

    /// <summary>Those that lost their place to a newcomer.</summary>
    public long Evicted => Interlocked.Read(ref _evicted);

    /// <param name="from">Null: nobody knows, which is an address of its own.</param>
    /// <param name="holder">Is disposed of when the place goes to somebody else.</param>
    /// <returns>Null: all are taken by peers that came just now.</returns>
    public UnopenedPlace? Take(IPAddress? from, IDisposable holder)
    {
        var address = NetworkOf(from ?? IPAddress.None);
        IDisposable? loser = null;
        UnopenedPlace place;
        lock (Gate)
        {
            if (_places.Count >= most)
            {
                if (Victim(address) is not { } victim)
                {
                    return null;
                }

                Remove(victim);
                loser = victim.Lose();
            }

            place = new UnopenedPlace(this, address, time.GetTimestamp(), holder);
            _places.Add(place);
            _addresses[address] = _addresses.GetValueOrDefault(address) + 1;
        }

        if (loser is not null)
        {
            Interlocked.Increment(ref _evicted);
            loser.Dispose(); // not under the lock: who closes leaves its place, and takes locks of its own
        }

        return place;
    }

    /// <summary>Who holds an address of version 6 usually has all of its network, and is counted once.</summary>
    private static IPAddress NetworkOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        var bytes = address.GetAddressBytes();
        bytes.AsSpan(bytes.Length / 2).Clear();
        return new IPAddress(bytes);
    }

    /// <summary>The oldest of the address with the most that may lose one now.</summary>
    private UnopenedPlace? Victim(IPAddress newcomer)
    {
        var now = time.GetTimestamp();
        var own = _addresses.GetValueOrDefault(newcomer);
        UnopenedPlace? found = null;
        var held = 0;
        foreach (var place in _places)
        {
            var count = _addresses[place.Address];
            var isGreedy = count > own + 1 && count > _places.Count / ShareOfAddress;
            if (count > held && (isGreedy || time.GetElapsedTime(place.Since, now) >= grace))
            {
                (found, held) = (place, count);
            }
        }

        return found;
    }

    /// <summary>Under the lock.</summary>
    internal void Remove(UnopenedPlace place)
    {
        if (!_places.Remove(place))
        {
            return;
        }

        var left = _addresses[place.Address] - 1;
        if (left == 0)
        {
            _addresses.Remove(place.Address);
        }
        else
        {
            _addresses[place.Address] = left;
        }
    }
}
