using System.Runtime.CompilerServices;

namespace Wayang.Fast.Interop;

/// <summary>One validated slot of the completion ring. The ticket is the worker's word: compare it with the in-flight table.</summary>
/// <param name="Ticket">Echo of the request's ticket; 0 for READY.</param>
/// <param name="Kind">READY, OUTPUT, ERROR, LOG, PROGRESS, SAVED or YIELDED of <see cref="ChannelLayout"/>.</param>
/// <param name="First">First chunk of its payload.</param>
/// <param name="Last">Last chunk of its payload.</param>
/// <param name="Length">Bytes of this chunk, now in the caller's scratch buffer.</param>
/// <param name="Total">Bytes of the whole payload.</param>
public readonly record struct Completion(uint Ticket, byte Kind, bool First, bool Last, int Length, long Total);

/// <summary>
/// The daemon's end of a worker's completion ring (W). One consumer (the completion thread), one producer: the worker, who
/// is hostile. Wait-free; allocates nothing but the text of a corruption.
/// <para>Each slot is copied once and the copy is validated: sequence, kind, flags, lengths, offset + length in 64 bits, and
/// the grammar: READY is the first slot and comes once; chunks of a payload follow each other without another slot between
/// them, carry one ticket, kind and total, and add up to it. What was read is therefore whole when <c>Last</c> is seen.
/// Corruption is sticky.</para>
/// </summary>
public sealed unsafe class CompletionReader
{
    private readonly ChannelMemory _memory;
    private readonly ChannelSlot* _ring;
    private readonly byte* _arena;
    private readonly ulong* _ownHead;
    private readonly uint* _ownSleeping;
    private readonly uint* _peerWantsSpace;
    private readonly uint* _doorbell;
    private readonly ulong _slots;
    private readonly ulong _mask;
    private readonly ulong _arenaBytes;
    private readonly ulong _maxPayload;
    private readonly uint _chunkLimit;

    private ulong _position;
    private ulong _published;
    private ulong _arenaRead;
    private uint _rungFor;
    private uint _sleep;
    private uint _openTicket;
    private byte _openKind;
    private ulong _openTotal;
    private ulong _openLeft;

    public CompletionReader(ChannelMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        ChannelGeometry geometry = memory.Geometry;
        _slots = (ulong)geometry.CompletionSlots;
        _mask = _slots - 1;
        _arenaBytes = (ulong)geometry.CompletionArenaBytes;
        _maxPayload = (ulong)geometry.MaxPayload;
        _chunkLimit = (uint)ChannelLayout.MaxChunkBytes;
        _ring = (ChannelSlot*)(memory.W + ChannelLayout.HeaderBytes);
        _arena = memory.W + ChannelLayout.HeaderBytes + ChannelLayout.RingBytes(geometry.CompletionSlots);
        _ownHead = (ulong*)(memory.D + ChannelLayout.OffsetHead);
        _ownSleeping = (uint*)(memory.D + ChannelLayout.OffsetSleeping);
        _peerWantsSpace = (uint*)(memory.W + ChannelLayout.OffsetWantsSpace);
        _doorbell = (uint*)(memory.D + ChannelLayout.OffsetDoorbell);
    }

    /// <summary>What was wrong, once a read returned <see cref="RingStatus.Corrupt"/>.</summary>
    public string? CorruptReason { get; private set; }

    /// <summary>How often the worker had found this ring full and was rung when there was space again. The reader's; others see a momentary value.</summary>
    public long SpaceRings { get; private set; }

    /// <summary>A read would return something else than Empty.</summary>
    public bool HasCompletion => Barriers.Acquire(&(_ring + (_position & _mask))->Sequence) != EmptySequence;

    private ulong EmptySequence => _position < _slots ? 0 : _position + 1 - _slots;

    /// <summary>
    /// Reads the next slot and copies its payload into <paramref name="scratch"/> (at least <see cref="ChannelLayout.MaxChunkBytes"/>).
    /// Publishes the head by itself every 32 slots and every quarter of the arena.
    /// </summary>
    /// <returns>Ok, Empty or Corrupt; never an exception for what the worker wrote.</returns>
    public RingStatus TryRead(Span<byte> scratch, out Completion completion)
    {
        if (scratch.Length < ChannelLayout.MaxChunkBytes)
        {
            throw new ArgumentException($"At least {ChannelLayout.MaxChunkBytes} bytes are needed.", nameof(scratch));
        }

        completion = default;
        ChannelSlot* shared = _ring + (_position & _mask);

        // SYNC POINT: partner is the worker's release store of `sequence` (wy_writer_commit).
        ulong sequence = Barriers.Acquire(&shared->Sequence);
        if (sequence != _position + 1 || CorruptReason is not null)
        {
            return CorruptReason is null && sequence == EmptySequence ? RingStatus.Empty : Corrupted("sequence");
        }

        // Each word is taken once, whatever the worker writes there meanwhile.
        ulong head = Volatile.Read(ref *(ulong*)&shared->Ticket);
        uint ticket = (uint)head;
        byte flags = (byte)(head >> 48);
        byte kind = (byte)(flags & ChannelLayout.KindMask);
        bool first = (flags & ChannelLayout.FlagFirst) != 0;
        bool last = (flags & ChannelLayout.FlagLast) != 0;
        uint length = (byte)(head >> 56);
        ulong total = length;
        uint offset = 0;
        bool inArena = length == ChannelLayout.InlineReference;
        if (inArena)
        {
            ulong place = Volatile.Read(ref *(ulong*)&shared->ReferenceOffset);
            offset = (uint)place;
            length = (uint)(place >> 32);
            total = Volatile.Read(ref shared->ReferenceTotal);
            if (length == 0 || length > _chunkLimit || offset + (ulong)length > _arenaBytes)
            {
                return Corrupted("reference");
            }
        }
        else if (length > ChannelLayout.InlineBytes)
        {
            return Corrupted("inline length");
        }

        string? wrong = CheckGrammar(ticket, kind, first, last, length, total);
        if (wrong is not null)
        {
            return Corrupted(wrong);
        }

        if (inArena)
        {
            new ReadOnlySpan<byte>(_arena + offset, (int)length).CopyTo(scratch);
            _arenaRead += length;
        }
        else
        {
            new ReadOnlySpan<byte>(shared->Inline, ChannelLayout.InlineBytes).CopyTo(scratch);
        }

        _position++;
        completion = new Completion(ticket, kind, first, last, (int)length, (long)total);
        if (_position - _published >= ChannelLayout.HeadBatch || _arenaRead >= _arenaBytes / 4)
        {
            PublishHead();
        }

        return RingStatus.Ok;
    }

    /// <summary>
    /// What the call of a ticket cost, as its worker says; -1: it said nothing. When the call's end was read: the worker wrote this before.
    /// </summary>
    public long ClaimedCpuNanoseconds(uint ticket)
    {
        var index = ticket & 0xFF;
        if (index >= ChannelLayout.MaxFacts)
        {
            return -1;
        }

        var cost = *((ChannelCost*)(_memory.W + ChannelLayout.OffsetCosts) + index); // one copy: the worker may go on writing
        return cost.Ticket == ticket ? (long)Math.Min(cost.CpuNanoseconds, long.MaxValue) : -1;
    }

    /// <summary>
    /// Gives the space of what was read back to the worker and wakes it if it waits for space. Call at the end of each turn;
    /// costs a fence only when something was read since.
    /// </summary>
    public void PublishHead()
    {
        if (_published == _position)
        {
            return;
        }

        // SYNC POINT: partner is the worker's acquire load of this head (wy_writer_refresh): our copies are done.
        Barriers.Release(_ownHead, _position);
        _published = _position;
        _arenaRead = 0;

        // SYNC POINT: partner is the worker's fence between `wants_space = n` and its re-check of this head (wy_wait_space).
        Barriers.Full();
        uint waiting = Barriers.Acquire(_peerWantsSpace);
        if (waiting != 0 && waiting != _rungFor)
        {
            RingForSpace(waiting);
        }
    }

    /// <summary>
    /// Announces that the completion thread goes to sleep. True when a completion (or corruption) is there already: then call
    /// <see cref="CancelSleep"/> and read on. Publishes the head first.
    /// </summary>
    public bool PrepareSleep()
    {
        AnnounceSleep();
        FenceSleep();
        return HasCompletion;
    }

    /// <summary>
    /// <see cref="PrepareSleep"/> in three parts, for a thread with many rings: announce on each, <see cref="FenceSleep"/> once,
    /// then look at <see cref="HasCompletion"/> of each.
    /// </summary>
    public void AnnounceSleep()
    {
        PublishHead();
        _sleep = _sleep == uint.MaxValue ? 1 : _sleep + 1;

        // A new number for each sleep: the worker rings once per number.
        Barriers.Release(_ownSleeping, _sleep);
    }

    /// <summary>The fence between the announcements and the looks at the rings.</summary>
    // SYNC POINT: partner is the worker's fence between its completion and its look at `sleeping` (wy_flush).
    public static void FenceSleep() => Barriers.Full();

    /// <summary>The completion thread is awake: the worker need not ring.</summary>
    public void CancelSleep() => Barriers.Release(_ownSleeping, 0u);

    /// <summary>Slots read so far.</summary>
    public ulong Position => _position;

    /// <summary>Where it stands, for a reader that goes on over a copy of this channel; null between the chunks of a payload, or when it is corrupt.</summary>
    public ulong[]? ExportCursors() =>
        _openLeft != 0 || CorruptReason is not null ? null : [_position, _published, _arenaRead, _rungFor, _sleep];

    /// <summary>Goes on where another reader stood, over a copy of its channel. Before anything is read.</summary>
    /// <returns>False: no reader can stand there; nothing was taken.</returns>
    public bool TryImportCursors(ReadOnlySpan<ulong> cursors)
    {
        if (cursors.Length != 5 || cursors[0] == 0 || cursors[0] - cursors[1] > _slots)
        {
            return false;
        }

        (_position, _published, _arenaRead) = (cursors[0], cursors[1], cursors[2]);
        (_rungFor, _sleep) = ((uint)cursors[3], (uint)cursors[4]);
        return true;
    }

    // Not inlined: a caller would set up the frame of the call into native code even where it does not ring.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RingForSpace(uint wait)
    {
        _rungFor = wait;
        SpaceRings++;
        Barriers.Increment(_doorbell);
        _ = NativeMethods.wayang_futex_wake(_doorbell, 1);
    }

    private string? CheckGrammar(uint ticket, byte kind, bool first, bool last, uint length, ulong total)
    {
        if (_openLeft != 0)
        {
            if (first || ticket != _openTicket || kind != _openKind || total != _openTotal || length > _openLeft || length == 0)
            {
                return "chunk";
            }

            if (last != (length == _openLeft))
            {
                return "last chunk";
            }

            _openLeft -= length;
            return null;
        }

        if (kind is < ChannelLayout.KindReady or > ChannelLayout.KindYielded || (kind == ChannelLayout.KindReady) != (_position == 0))
        {
            return "kind";
        }

        if (!first || total > _maxPayload || length > total || last != (length == total))
        {
            return "first chunk";
        }

        if (kind switch
        {
            ChannelLayout.KindReady => length != 0 || ticket != 0,
            ChannelLayout.KindYielded => length != 0,
            ChannelLayout.KindLog or ChannelLayout.KindProgress => !last,
            _ => false,
        })
        {
            return "payload of its kind";
        }

        if (!last)
        {
            _openTicket = ticket;
            _openKind = kind;
            _openTotal = total;
            _openLeft = total - length;
        }

        return null;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private RingStatus Corrupted(string what)
    {
        GC.KeepAlive(_memory);
        CorruptReason ??= $"completion {_position}: {what}";
        return RingStatus.Corrupt;
    }
}
