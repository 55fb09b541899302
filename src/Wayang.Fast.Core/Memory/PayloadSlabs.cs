using System.Numerics;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Core.Memory;

/// <summary>
/// Memory for what tasks bring and leave over 48 bytes. Retention keeps it for minutes, so arrays of the collector's first generation
/// would survive, be copied, and stop all threads meanwhile; these blocks are cut from pinned slabs, which no collection moves.
/// <para>
/// Sizes are powers of two from <see cref="SmallestBlock"/> to <see cref="LargestBlock"/>. Slabs are bounded in all; what is over the bound or the largest
/// size gets an array of its own. A slab, once made, serves its size; when the bound is met, those without a used block are given back, beside the
/// running threads, so that another size can have their memory.
/// </para>
/// <para>
/// A place is one number: whoever reads it reads where the block is and how long, never half of each. A reader that holds a place that was
/// given back meanwhile gets bytes of somebody else or an empty span, never an error: it must have a way to find out (<see cref="Lifecycle.StreamBuffer"/> has
/// its version). Any thread; lock-free but where memory is made.
/// </para>
/// </summary>
public sealed class PayloadSlabs
{
    public const int SmallestBlock = 1 << SmallestBits;
    public const int LargestBlock = SmallestBlock << (Classes - 1);

    private const int SmallestBits = 7;
    private const int Classes = 14;
    private const int KindBits = 4;
    private const uint KindMask = (1 << KindBits) - 1;
    private const uint Loose = KindMask;
    private static readonly TimeSpan BetweenTrims = TimeSpan.FromSeconds(1);

    private readonly SlabReserve _reserve = new();
    private readonly SizeClass[] _classes;
    private readonly LooseBlocks _loose = new();
    private readonly TimeProvider _time;
    private readonly long _maxBytes;
    private long _bytes;
    private long _lastTrim;
    private int _trimming;

    /// <param name="maxBytes">Slabs in all, at most; at least one of the largest blocks.</param>
    /// <param name="time">Null: the system's.</param>
    public PayloadSlabs(long maxBytes, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        _lastTrim = _time.GetTimestamp() - (long)(BetweenTrims.TotalSeconds * _time.TimestampFrequency);
        _maxBytes = Math.Max(maxBytes, LargestBlock);
        _classes = [.. Enumerable.Range(0, Classes).Select(i => new SizeClass(SmallestBlock << i, _maxBytes, _reserve))];
    }

    /// <summary>Bytes of all slabs, used or not.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Bytes of all slabs that were ever made, those included that were given back.</summary>
    public long BytesMade => _reserve.BytesMade;

    /// <summary>Makes slabs before they are needed, up to the bound: but for some that are kept ready they cost address space until they are used. Once.</summary>
    /// <param name="bytes">At most so much, and two gibibytes.</param>
    /// <param name="pages">Makes their pages ahead of their use; null: their users do.</param>
    public void Prepare(long bytes, IMemoryPages? pages = null)
    {
        _loose.Pages = pages;
        _reserve.Prepare((int)(Math.Min(Math.Min(bytes, _maxBytes), Array.MaxLength) / SlabReserve.SlabBytes), pages);
    }

    /// <summary>A block of at least <paramref name="bytes"/> (1 or more), which holds whatever it held before.</summary>
    /// <returns>Its place, never 0; given back by <see cref="Return"/>, once.</returns>
    public uint Rent(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        if (bytes <= LargestBlock)
        {
            var kind = bytes <= SmallestBlock ? 0 : BitOperations.Log2((uint)bytes - 1) + 1 - SmallestBits;
            var blocks = _classes[kind];
            if (blocks.TryRent(out var index) || TryGrow(blocks, out index))
            {
                return PlaceOf((uint)kind, index);
            }
        }

        return PlaceOf(Loose, _loose.Rent(bytes));
    }

    public void Return(uint place)
    {
        var kind = place & KindMask;
        if (kind == Loose)
        {
            _loose.Return(IndexOf(place));
            return;
        }

        _classes[kind].Return(IndexOf(place));
    }

    /// <summary>The block at a place.</summary>
    public Span<byte> Block(uint place)
    {
        var kind = place & KindMask;
        return kind == Loose ? _loose.Block(IndexOf(place)) : _classes[kind].Block(IndexOf(place));
    }

    private static uint PlaceOf(uint kind, int index) => ((uint)(index + 1) << KindBits) | kind;

    private static int IndexOf(uint place) => (int)(place >> KindBits) - 1;

    private bool TryGrow(SizeClass blocks, out int index)
    {
        index = -1;
        if (Interlocked.Add(ref _bytes, blocks.BytesPerSlab) > _maxBytes)
        {
            Interlocked.Add(ref _bytes, -blocks.BytesPerSlab);
            TrimBeside();
            return false;
        }

        if (blocks.TryGrow(out index))
        {
            return true;
        }

        Interlocked.Add(ref _bytes, -blocks.BytesPerSlab);
        return false;
    }

    /// <summary>Gives unused slabs back now. Cold; one at a time.</summary>
    public void Trim()
    {
        foreach (var blocks in _classes)
        {
            Interlocked.Add(ref _bytes, -blocks.Trim());
        }
    }

    /// <summary>The same on a thread of the pool, at most once a second.</summary>
    private void TrimBeside()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lastTrim)) < BetweenTrims || Interlocked.Exchange(ref _trimming, 1) != 0)
        {
            return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static slabs =>
            {
                slabs.Trim();
                Volatile.Write(ref slabs._lastTrim, slabs._time.GetTimestamp());
                Volatile.Write(ref slabs._trimming, 0);
            },
            this, preferLocal: false);
    }
}
