using System.Net;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>One connection's place among those without a session; left when it has its own, or is gone. Thread-safe.</summary>
public sealed class UnopenedPlace
{
    private readonly UnopenedPlaces _places;
    private IDisposable? _holder; // null: the place was lost

    internal UnopenedPlace(UnopenedPlaces places, IPAddress address, long since, IDisposable holder) => (_places, Address, Since, _holder) = (places, address, since, holder);

    /// <summary>The peer's, or its network's.</summary>
    public IPAddress Address { get; }

    internal long Since { get; }

    /// <summary>Who is to be closed when the place is lost, from here on.</summary>
    /// <returns>False: it is lost already.</returns>
    public bool HandTo(IDisposable next)
    {
        lock (_places.Gate)
        {
            if (_holder is null)
            {
                return false;
            }

            _holder = next;
            return true;
        }
    }

    /// <summary>Gives it back.</summary>
    /// <returns>False: it was lost, and the connection is being closed.</returns>
    public bool Leave()
    {
        lock (_places.Gate)
        {
            _places.Remove(this);
            return _holder is not null;
        }
    }

    /// <summary>Under the lock.</summary>
    internal IDisposable? Lose()
    {
        var loser = _holder;
        _holder = null;
        return loser;
    }
}
