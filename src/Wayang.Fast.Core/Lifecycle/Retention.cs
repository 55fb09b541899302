using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>How long ended tasks can be asked for. What is over any bound is forgotten, the oldest first.</summary>
/// <param name="Count">Ended tasks kept at most.</param>
/// <param name="Time">How long each is kept at most.</param>
/// <param name="MaxBytes">Blocks (inputs, outputs and streams over 48 bytes, progress) that they hold together at most.</param>
public sealed record RetentionOptions(int Count, TimeSpan Time, long MaxBytes)
{
    public static RetentionOptions Default { get; } = new(100_000, TimeSpan.FromMinutes(10), 256L << 20);
}

/// <summary>The ended tasks in the order of their ends, as a ring. Completion thread only; gauges from any thread.</summary>
internal sealed class Retention
{
    private readonly Entry[] _ring;
    private readonly int _mask;
    private int _maxCount;
    private long _maxBytes;
    private long _maxTicks;
    private long _head;
    private long _tail;
    private long _seen;
    private long _bytes;

    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        public TaskRecord Record;
        public long Bytes;
        public long Ended;
    }

    public Retention(RetentionOptions options, TimeProvider time)
    {
        // One more than the bound: an end is appended before the oldest is taken. Often there is more room, which batches of ends use.
        _ring = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)options.Count + 1)];
        _mask = _ring.Length - 1;
        Change(options, time);
    }

    /// <summary>Other bounds, the count never over that of the start. Any thread; they hold from the next end or sweep on.</summary>
    public void Change(RetentionOptions options, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Count, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxBytes, nameof(options));
        Volatile.Write(ref _maxCount, Math.Min(options.Count, _mask));
        Volatile.Write(ref _maxBytes, options.MaxBytes);
        Volatile.Write(ref _maxTicks, (long)Math.Min(long.MaxValue / 2, options.Time.TotalSeconds * time.TimestampFrequency));
    }

    public int Count => (int)(Volatile.Read(ref _tail) - Volatile.Read(ref _head));

    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>There is no room: something must be taken before the next <see cref="Append"/>.</summary>
    public bool IsFull => _tail - _head == _ring.Length;

    public void Append(TaskRecord record, long bytes, long now)
    {
        ref var entry = ref _ring[(int)_tail & _mask];
        entry.Record = record;
        entry.Bytes = bytes;
        entry.Ended = now;
        Volatile.Write(ref _bytes, _bytes + bytes);
        Volatile.Write(ref _tail, _tail + 1);
    }

    /// <summary>Goes through what was appended, each once. Before anything is taken.</summary>
    public bool TryVisitNew(out TaskRecord record)
    {
        record = _ring[(int)_seen & _mask].Record;
        if (_seen == _tail)
        {
            return false;
        }

        _seen++;
        return true;
    }

    /// <summary>Takes the oldest when there are too many or they hold too much.</summary>
    public bool TryTakeExcess([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_tail != _head && (_tail - _head > _maxCount || _bytes > _maxBytes))
        {
            record = Take();
            return true;
        }

        record = null;
        return false;
    }

    /// <summary>The one that the next end pushes out, if there are as many as there may be.</summary>
    public bool TryPeekNext(out TaskRecord record)
    {
        record = _ring[(int)_head & _mask].Record;
        return _tail - _head >= _maxCount && _tail != _head;
    }

    /// <summary>Takes the oldest when its time is over.</summary>
    public bool TryTakeExpired(long now, [NotNullWhen(true)] out TaskRecord? record)
    {
        if (_tail != _head && now - _ring[(int)_head & _mask].Ended > _maxTicks)
        {
            record = Take();
            return true;
        }

        record = null;
        return false;
    }

    private TaskRecord Take()
    {
        ref var entry = ref _ring[(int)_head & _mask];
        Volatile.Write(ref _bytes, _bytes - entry.Bytes);
        Volatile.Write(ref _head, _head + 1);
        return entry.Record;
    }
}
