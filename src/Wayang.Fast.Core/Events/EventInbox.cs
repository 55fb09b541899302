using System.Numerics;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Events;

/// <summary>
/// A bounded queue of what is to become events. Producers: any thread, lock-free, nothing is made and nobody is waited for. Consumer: one at a time. Order: of the
/// claims. Full: false, and the caller's news is lost, which is counted.
/// </summary>
internal sealed class EventInbox
{
    private readonly Place[] _places;
    private readonly int _mask;
    private long _claimed;
    private long _taken;
    private long _lost;

    /// <param name="capacity">Rounded up to a power of two.</param>
    public EventInbox(int capacity)
    {
        _places = new Place[BitOperations.RoundUpToPowerOf2((uint)capacity)];
        _mask = _places.Length - 1;
        for (var i = 0; i < _places.Length; i++)
        {
            _places[i].Turn = i;
        }
    }

    /// <summary>Since the start.</summary>
    public long Lost => Volatile.Read(ref _lost);

    public bool TryPost(in EndedTask end) => TryPost(new ToldEvent(null, end));

    public bool TryPost(NodeEvent made) => TryPost(new ToldEvent(made, default));

    /// <returns>False: there is none.</returns>
    public bool TryTake(out ToldEvent told)
    {
        ref var place = ref _places[_taken & _mask];

        // SYNC POINT: partner is the release of Turn in TryPost.
        if (Volatile.Read(ref place.Turn) != _taken + 1)
        {
            told = default;
            return false;
        }

        told = place.Told;
        place.Told = default;

        // SYNC POINT: partner is the read of Turn in TryPost; a lap later the place is free.
        Volatile.Write(ref place.Turn, _taken + _places.Length);
        _taken++;
        return true;
    }

    private bool TryPost(in ToldEvent told)
    {
        while (true)
        {
            var claim = Volatile.Read(ref _claimed);
            ref var place = ref _places[claim & _mask];
            var ahead = Volatile.Read(ref place.Turn) - claim;
            if (ahead < 0)
            {
                Interlocked.Increment(ref _lost);
                return false;
            }

            if (ahead == 0 && Interlocked.CompareExchange(ref _claimed, claim + 1, claim) == claim)
            {
                place.Told = told;
                Volatile.Write(ref place.Turn, claim + 1);
                return true;
            }
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Place
    {
        public long Turn;
        public ToldEvent Told;
    }
}
