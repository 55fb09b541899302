using System.Runtime.InteropServices;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Slabs that no size has yet, cut from one pinned array that is made before anybody waits: each that is made later is charged to the collector's budget for large arrays,
/// and a few dozen of them are a collection of the oldest generation. Nothing is written to it, so it costs address space until it is used; from its beginning on, some
/// mebibytes ahead of what was ever taken, its pages are made on a thread that goes behind all others (of a fresh node a hundred milliseconds of work at the first floods, for which urgent workers waited behind a thread of the pool), since whoever writes to a page first waits for the kernel, and for
/// the kernel's own host. Any thread.
/// </summary>
internal sealed class SlabReserve
{
    public const int SlabBytes = 256 << 10;

    /// <summary>Slabs whose pages are made before they are taken.</summary>
    public const int Ahead = 64;

    // What is touched at a time: a large page where the host has them.
    private const int SlabsPerTouch = 8;

    private readonly Lock _gate = new();
    private readonly Stack<Slab> _returned = new();
    private byte[] _prepared = [];
    private IMemoryPages? _pages;
    private int _fresh; // the first of the prepared that was never taken
    private int _touched; // the first of the prepared that was not touched
    private bool _isTouching;
    private long _made;

    /// <summary>Bytes of all slabs that were ever made, those included that the collector had back.</summary>
    public long BytesMade => Volatile.Read(ref _made);

    /// <summary>Makes so many; once.</summary>
    public void Prepare(int slabs, IMemoryPages? pages)
    {
        var prepared = Make(slabs * SlabBytes);
        lock (_gate)
        {
            if (_prepared.Length > 0)
            {
                throw new InvalidOperationException("slabs are prepared once");
            }

            _prepared = prepared;
            _pages = pages;
            pages?.PreferLarge(AddressOf(0), prepared.Length);
            TouchAhead();
        }
    }

    /// <returns>One that holds whatever it held before.</returns>
    public Slab Take(int bytes)
    {
        if (bytes == SlabBytes)
        {
            lock (_gate)
            {
                if (_returned.TryPop(out var slab))
                {
                    return slab;
                }

                if (_fresh < _prepared.Length / SlabBytes)
                {
                    slab = new Slab(_prepared, _fresh++ * SlabBytes, SlabBytes);
                    TouchAhead();
                    return slab;
                }
            }
        }

        return new Slab(Make(bytes), 0, bytes);
    }

    /// <summary>One that nobody uses: for the next size that needs one, or, beyond what was prepared, for the collector.</summary>
    public void Return(Slab slab)
    {
        lock (_gate)
        {
            if (slab.Array == _prepared)
            {
                _returned.Push(slab);
            }
        }
    }

    private void TouchAhead()
    {
        if (_pages is not null && !_isTouching && _touched < Math.Min(_fresh + Ahead - SlabsPerTouch + 1, _prepared.Length / SlabBytes))
        {
            _isTouching = true;
            ThreadPool.UnsafeQueueUserWorkItem(static reserve => reserve.BeginTouching(), this, preferLocal: false); // who starts a thread waits until it runs
        }
    }

    private void BeginTouching()
    {
        try
        {
            new Thread(Touch) { Name = "wayang-pages", IsBackground = true }.Start();
        }
        catch (Exception refused) when (refused is OutOfMemoryException or ThreadStartException)
        {
            lock (_gate)
            {
                _isTouching = false; // the next one who takes a slab tries again; until then those who write have the pages made
            }
        }
    }

    private void Touch()
    {
        _pages!.GiveWay();
        while (true)
        {
            int from, to;
            lock (_gate)
            {
                from = Math.Max(_touched, _fresh); // what was taken in the meantime its writers touch
                to = Math.Min(from + SlabsPerTouch, _prepared.Length / SlabBytes);
                if (from >= to || from >= _fresh + Ahead)
                {
                    _isTouching = false;
                    return;
                }

                _touched = to;
            }

            _pages.Touch(AddressOf(from), (long)(to - from) * SlabBytes);
        }
    }

    private nint AddressOf(int slab) => Marshal.UnsafeAddrOfPinnedArrayElement(_prepared, slab * SlabBytes);

    private byte[] Make(int bytes)
    {
        Interlocked.Add(ref _made, bytes);
        return GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
    }
}
