using System.Buffers;
using System.Runtime.CompilerServices;

namespace Wayang.Fast.Interop;

/// <summary>
/// The daemon's end of a worker's request ring (D). One producer at a time, one consumer (the worker). Wait-free; allocates
/// nothing. Slots are seen by the worker in the order they were written, each as soon as it is written;
/// <see cref="Publish"/> makes sure that a sleeping worker notices.
/// <para>Own positions and the arena's accounting stand in private memory; the only word read from the worker's file, its
/// head, is read once and must lie between the last one and the tail.</para>
/// </summary>
public sealed unsafe class RequestWriter : IDisposable
{
    private readonly ChannelMemory _memory;
    private readonly ChannelSlot* _ring;
    private readonly byte* _arena;
    private readonly ulong* _peerHead;
    private readonly uint* _peerSleeping;
    private readonly uint* _doorbell;
    private readonly ulong _slots;
    private readonly ulong _mask;
    private readonly ulong _arenaBytes;
    private readonly int _chunkLimit;
    private readonly long _maxPayload;

    // Arena position right after each slot's payload: the worker's head passing a slot frees everything up to it. Rented, and may be longer: the largest thing of a worker's start.
    private ulong[] _arenaEnd;

    private ulong _tail;
    private ulong _head;
    private ulong _arenaTail;
    private ulong _arenaHead;
    private ulong _arenaLap;
    private uint _rungFor;
    private uint _wantsSpace;
    private uint _chunkTicket;
    private long _chunkTotal;
    private long _chunkWritten;
    private bool _corrupt;

    public RequestWriter(ChannelMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        ChannelGeometry geometry = memory.Geometry;
        _slots = (ulong)geometry.RequestSlots;
        _mask = _slots - 1;
        _arenaBytes = (ulong)geometry.RequestArenaBytes;
        _chunkLimit = ChannelLayout.ChunkLimit(geometry.RequestArenaBytes);
        _maxPayload = geometry.MaxPayload;
        _ring = (ChannelSlot*)(memory.D + ChannelLayout.HeaderBytes);
        _arena = memory.D + ChannelLayout.HeaderBytes + ChannelLayout.RingBytes(geometry.RequestSlots);
        _peerHead = (ulong*)(memory.W + ChannelLayout.OffsetHead);
        _peerSleeping = (uint*)(memory.W + ChannelLayout.OffsetSleeping);
        _doorbell = (uint*)(memory.D + ChannelLayout.OffsetDoorbell);
        _arenaEnd = ArrayPool<ulong>.Shared.Rent((int)_slots);
        _arenaEnd.AsSpan().Clear();
    }

    /// <summary>Gives what it rented back; nothing may be written from then on. Not the memory, which is its owner's.</summary>
    public void Dispose()
    {
        var rented = _arenaEnd;
        _arenaEnd = [];
        if (rented.Length > 0)
        {
            ArrayPool<ulong>.Shared.Return(rented);
        }
    }

    /// <summary>Most bytes that <see cref="TryWrite"/> takes; more goes by <see cref="TryWriteChunk"/>.</summary>
    public int ChunkLimit => _chunkLimit;

    /// <summary>The worker wrote an impossible head: end it.</summary>
    public bool IsCorrupt => _corrupt;

    /// <summary>Slots free now. Reads the worker's head.</summary>
    public int FreeSlots
    {
        get
        {
            RefreshHead();
            return (int)(_slots - (_tail - _head));
        }
    }

    /// <summary>The worker has taken every request out of the ring (it may still run them).</summary>
    public bool IsDrained
    {
        get
        {
            RefreshHead();
            return _head == _tail;
        }
    }

    /// <summary>The worker says that it sleeps in its loop, outside of any call. Its word, and any thread's to read.</summary>
    public bool PeerSleeps => Barriers.Acquire(_peerSleeping) != 0;

    /// <summary>
    /// Ends the worker's sleep, whatever it was rung for before. Any thread: an extra ring makes it look at its ring once more.
    /// </summary>
    public void RingAgain()
    {
        Barriers.Increment(_doorbell);
        _ = NativeMethods.wayang_futex_wake(_doorbell, 1);
    }

    /// <summary>Writes a request whose payload fits into one slot or one chunk.</summary>
    /// <returns>Ok; Full; TooLarge above <see cref="ChunkLimit"/>; Corrupt.</returns>
    public RingStatus TryWrite(uint ticket, ushort function, byte kind, ReadOnlySpan<byte> payload)
    {
        if (_chunkTotal != 0)
        {
            return RingStatus.Full;
        }

        return WriteSlot(ticket, function, (byte)(kind | ChannelLayout.FlagFirst | ChannelLayout.FlagLast), payload, payload.Length);
    }

    /// <summary>
    /// Writes the next chunk of a payload of any size up to the channel's bound. Call until <paramref name="written"/> reaches the
    /// length (publish in between: the worker frees space only when it runs). No other request is taken meanwhile.
    /// </summary>
    /// <param name="written">Bytes written so far; 0 before the first chunk.</param>
    /// <returns>Ok: one more chunk was written; Full; TooLarge; Corrupt.</returns>
    public RingStatus TryWriteChunk(uint ticket, ushort function, byte kind, ReadOnlySpan<byte> payload, ref long written)
    {
        if (payload.Length > _maxPayload)
        {
            return RingStatus.TooLarge;
        }

        if (_chunkTotal != 0 && (_chunkTicket != ticket || _chunkTotal != payload.Length || _chunkWritten != written))
        {
            return RingStatus.Full;
        }

        if (_chunkTotal == 0 && payload.Length <= _chunkLimit)
        {
            RingStatus whole = TryWrite(ticket, function, kind, payload);
            written = whole == RingStatus.Ok ? payload.Length : 0;
            return whole;
        }

        ReadOnlySpan<byte> chunk = payload[(int)_chunkWritten..];
        byte flags = _chunkWritten == 0 ? ChannelLayout.FlagFirst : (byte)0;
        if (chunk.Length > _chunkLimit)
        {
            chunk = chunk[.._chunkLimit];
        }
        else
        {
            flags |= ChannelLayout.FlagLast;
        }

        RingStatus status = WriteSlot(ticket, function, (byte)(kind | flags), chunk, payload.Length);
        if (status == RingStatus.Ok)
        {
            bool last = (flags & ChannelLayout.FlagLast) != 0;
            written = _chunkWritten + chunk.Length;
            _chunkTicket = ticket;
            _chunkWritten = last ? 0 : written;
            _chunkTotal = last ? 0 : payload.Length;
        }

        return status;
    }

    /// <summary>
    /// Gives up the payload in chunks that is under way: the worker drops what it has and answers with an error of code
    /// "aborted". Ok also when none is under way; Full when there is no slot.
    /// </summary>
    public RingStatus TryAbortChunks()
    {
        if (_chunkTotal == 0)
        {
            return RingStatus.Ok;
        }

        RingStatus status = WriteSlot(_chunkTicket, 0, ChannelLayout.KindCall | ChannelLayout.FlagLast, [], _chunkTotal);
        if (status == RingStatus.Ok)
        {
            _chunkTotal = 0;
            _chunkWritten = 0;
        }

        return status;
    }

    /// <summary>Makes a sleeping worker see what was written: one fence, and one wake at most per sleep of the worker.</summary>
    /// <returns>True when the worker was woken.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Publish()
    {
        // SYNC POINT: partner is the worker's fence between `sleeping = n` and its re-check of the ring (wy_wait_requests).
        Barriers.Full();
        return PublishFenced();
    }

    /// <summary><see cref="Publish"/> of who made a full fence, or an interlocked operation, since the request was written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool PublishFenced()
    {
        uint sleep = Barriers.Acquire(_peerSleeping);
        return sleep != 0 && sleep != _rungFor && Wake(sleep);
    }

    /// <summary>
    /// Asks the worker to ring the doorbell whenever it freed space. After setting it, try to write once more before waiting.
    /// </summary>
    public void SetWantsSpace(bool on)
    {
        _wantsSpace = on ? (_wantsSpace == uint.MaxValue ? 1 : _wantsSpace + 1) : _wantsSpace;

        // SYNC POINT: partner is the worker's fence between its head and its look at `wants_space` (wy_flush).
        Barriers.Release((uint*)(_memory.D + ChannelLayout.OffsetWantsSpace), on ? _wantsSpace : 0);
        Barriers.Full();
    }

    /// <summary>Sets or clears the cancel flag of an in-flight index. Any thread. A hint: the function may look at it.</summary>
    public void SetCancelled(int index, bool on) => SetBit(ChannelLayout.OffsetCancelled, index, on);

    private void SetBit(int offset, int index, bool on)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, ChannelLayout.MaxInFlight);
        ulong* word = (ulong*)(_memory.D + offset) + (index >> 6);
        ulong bit = 1UL << (index & 63);
        if (on)
        {
            Barriers.Or(word, bit);
        }
        else if ((*word & bit) != 0)
        {
            Barriers.And(word, ~bit);
        }
    }

    /// <summary>Sets or clears the wish that the call of an in-flight index save its state and yield. Any thread. A hint, as <see cref="SetCancelled"/>.</summary>
    public void SetSaveWanted(int index, bool on) => SetBit(ChannelLayout.OffsetSaveWanted, index, on);

    /// <summary>
    /// Tells a call of itself, for images that ask for it. Before its request is written: the worker reads it only while it serves
    /// <paramref name="ticket"/>, whose slot is published after this.
    /// </summary>
    /// <param name="index">Below <see cref="ChannelLayout.MaxFacts"/>.</param>
    public void SetFacts(int index, uint ticket, ulong taskHigh, ulong taskLow, uint attempt, long deadlineNanoseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, ChannelLayout.MaxFacts);
        ChannelFacts* facts = (ChannelFacts*)(_memory.D + ChannelLayout.OffsetFacts) + index;
        facts->TaskHigh = taskHigh;
        facts->TaskLow = taskLow;
        facts->DeadlineNanoseconds = deadlineNanoseconds;
        facts->Ticket = ticket;
        facts->Attempt = attempt;
    }

    /// <summary>Where it stands, for a writer that goes on over a copy of this channel; null while a payload in chunks is under way.
    /// Nobody may write meanwhile.</summary>
    public ulong[]? ExportCursors() => _chunkTotal != 0 || _corrupt ? null
        : [_tail, _head, _arenaTail, _arenaHead, _arenaLap, _rungFor, _wantsSpace, .. _arenaEnd.AsSpan(0, (int)_slots)];

    /// <summary>Goes on where another writer stood, over a copy of its channel. Before anything is written.</summary>
    /// <returns>False: no writer over this geometry can stand there; nothing was taken.</returns>
    public bool TryImportCursors(ReadOnlySpan<ulong> cursors)
    {
        const int Own = 7;
        if (cursors.Length != Own + (int)_slots || cursors[0] - cursors[1] > _slots || cursors[2] - cursors[3] > _arenaBytes
            || cursors[4] % _arenaBytes != 0 || cursors[2] - cursors[4] > _arenaBytes)
        {
            return false;
        }

        (_tail, _head, _arenaTail, _arenaHead, _arenaLap) = (cursors[0], cursors[1], cursors[2], cursors[3], cursors[4]);
        (_rungFor, _wantsSpace) = ((uint)cursors[5], (uint)cursors[6]);
        cursors[Own..].CopyTo(_arenaEnd);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Wake(uint sleep)
    {
        // The worker read the doorbell's value before it announced this sleep, so one increment ends it for certain.
        _rungFor = sleep;
        Barriers.Increment(_doorbell);
        _ = NativeMethods.wayang_futex_wake(_doorbell, 1);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private RingStatus WriteSlot(uint ticket, ushort function, byte kind, ReadOnlySpan<byte> payload, long total)
    {
        if (_tail - _head >= _slots)
        {
            RefreshHead();
            if (_tail - _head >= _slots)
            {
                return _corrupt ? RingStatus.Corrupt : RingStatus.Full;
            }
        }

        ulong index = _tail & _mask;
        ChannelSlot* slot = _ring + index;
        if (payload.Length <= ChannelLayout.InlineBytes && (kind & ChannelLayout.FlagLast) != 0 && (payload.Length == total || payload.IsEmpty))
        {
            payload.CopyTo(new Span<byte>(slot->Inline, ChannelLayout.InlineBytes));
            slot->Length = (byte)payload.Length;
        }
        else
        {
            RingStatus status = WriteArena(slot, payload, total);
            if (status != RingStatus.Ok)
            {
                return status;
            }
        }

        slot->Ticket = ticket;
        slot->Function = function;
        slot->Kind = kind;
        _arenaEnd[index] = _arenaTail;
        _tail++;

        // SYNC POINT: partner is the worker's acquire load of `sequence` (wy_reader_peek).
        Barriers.Release(&slot->Sequence, _tail);
        return RingStatus.Ok;
    }

    private RingStatus WriteArena(ChannelSlot* slot, ReadOnlySpan<byte> payload, long total)
    {
        if (payload.Length > _chunkLimit)
        {
            return RingStatus.TooLarge;
        }

        if (!TryAllocate((uint)payload.Length, out uint offset))
        {
            RefreshHead();
            if (!TryAllocate((uint)payload.Length, out offset))
            {
                return _corrupt ? RingStatus.Corrupt : RingStatus.Full;
            }
        }

        payload.CopyTo(new Span<byte>(_arena + offset, payload.Length));
        slot->Length = ChannelLayout.InlineReference;
        slot->ReferenceOffset = offset;
        slot->ReferenceLength = (uint)payload.Length;
        slot->ReferenceTotal = (ulong)total;
        return RingStatus.Ok;
    }

    /// <summary>FIFO bump allocation: positions only grow, a block never wraps, the rest of a lap is skipped.</summary>
    private bool TryAllocate(uint length, out uint offset)
    {
        ulong position = _arenaTail;
        ulong lap = _arenaLap;
        bool unused = _arenaHead == position;
        if (position - lap + length > _arenaBytes || (unused && position != lap))
        {
            // The next lap; also when nothing is in use: the front of the arena is warm in both caches.
            lap += _arenaBytes;
            position = lap;
        }

        ulong end = (position + length + 63) & ~63UL;
        offset = (uint)(position - lap);
        if (end - (unused ? position : _arenaHead) > _arenaBytes)
        {
            return false;
        }

        _arenaHead = unused ? position : _arenaHead;
        _arenaTail = end;
        _arenaLap = lap;
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RefreshHead()
    {
        // SYNC POINT: partner is the worker's release store of its head (wy_reader_publish_head): its copies are done.
        ulong head = Barriers.Acquire(_peerHead);
        if (head - _head > _tail - _head)
        {
            _corrupt = true;
            return;
        }

        if (head != _head)
        {
            _head = head;
            _arenaHead = Math.Max(_arenaHead, _arenaEnd[(head - 1) & _mask]);
        }
    }
}
