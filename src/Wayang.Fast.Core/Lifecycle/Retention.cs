using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Lifecycle;

/// <summary>
/// How long ended tasks can be asked for. What is over the time is forgotten; what is over a bound of all tenants together is forgotten by
/// the tenant that has most of it, its oldest first, so that nobody's results are pushed out by somebody else's flood.
/// </summary>
/// <param name="Count">Ended tasks kept at most.</param>
/// <param name="Time">How long each is kept at most.</param>
/// <param name="MaxBytes">Blocks (inputs, outputs and streams over 48 bytes, progress) that they hold together at most; an eighth more while there
/// is much to forget at once. Only tasks that hold any are forgotten for it.</param>
public sealed record RetentionOptions(int Count, TimeSpan Time, long MaxBytes)
{
    public static RetentionOptions Default { get; } = new(100_000, TimeSpan.FromMinutes(10), 256L << 20);
}

/// <summary>
/// The ended tasks: all in the order of their ends, and each tenant's own, and of these again those that hold blocks. Every step takes
/// constant time but the choice of a tenant, which looks at all that there are once in <see cref="TakesPerChoice"/> takes. Completion
/// thread only; gauges from any thread.
/// </summary>
internal sealed class Retention
{
    private const int None = -1;
    private const int TakesPerChoice = 64;

    private readonly Entry[] _entries;
    private Tenant[] _tenants = [Tenant.Empty];
    private Choice _most; // has most tasks
    private Choice _heaviest; // holds most bytes
    private int _free = None;
    private int _untouched; // from here on no entry was ever used: nothing is written to memory that is not needed
    private int _oldest = None;
    private int _newest = None;
    private int _unseen = None;
    private int _maxCount;
    private long _maxBytes;
    private long _maxTicks;
    private int _count;
    private long _bytes;

    // Indices of entries. What holds blocks is taken by its tenant's oldest alone, so that list goes one way.
    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        public TaskRecord Record;
        public long Bytes;
        public long Ended;
        public int Older;
        public int Newer; // of a free one: the next free
        public int OwnOlder;
        public int OwnNewer;
        public int HeavyNewer;
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Tenant
    {
        public int Oldest;
        public int Newest;
        public int OldestHeavy;
        public int NewestHeavy;
        public int Count;
        public long Bytes;

        public static Tenant Empty => new() { Oldest = None, Newest = None, OldestHeavy = None, NewestHeavy = None };
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Choice
    {
        public int Tenant;
        public int TakesLeft;
    }

    public Retention(RetentionOptions options, TimeProvider time)
    {
        // One more than the bound: an end is appended before the oldest is taken. Often there is more room, which batches of ends use.
        _entries = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)options.Count + 1)];
        Change(options, time);
    }

    /// <summary>Other bounds, the count never over that of the start. Any thread; they hold from the next end or sweep on.</summary>
    public void Change(RetentionOptions options, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Count, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxBytes, nameof(options));
        Volatile.Write(ref _maxCount, Math.Min(options.Count, _entries.Length - 1));
        Volatile.Write(ref _maxBytes, options.MaxBytes);
        Volatile.Write(ref _maxTicks, (long)Math.Min(long.MaxValue / 2, options.Time.TotalSeconds * time.TimestampFrequency));
    }

    public int Count => Volatile.Read(ref _count);

    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>There is no room: something must be taken before the next <see cref="Append"/>.</summary>
    public bool IsFull => _free == None && _untouched == _entries.Length;

    /// <summary>What is held beyond the bound is more than may be owed.</summary>
    public bool IsFarOverBytes => _bytes > _maxBytes + (_maxBytes >> 3);

    public void Append(TaskRecord record, long bytes, long now)
    {
        var at = _free == None ? _untouched++ : _free;
        ref var own = ref TenantOf(record.Tenant);
        ref var entry = ref _entries[at];
        _free = _free == None ? None : entry.Newer;
        entry = new Entry { Record = record, Bytes = bytes, Ended = now, Older = _newest, Newer = None, OwnOlder = own.Newest, OwnNewer = None, HeavyNewer = None };
        (_newest == None ? ref _oldest : ref _entries[_newest].Newer) = at;
        _newest = at;
        (own.Newest == None ? ref own.Oldest : ref _entries[own.Newest].OwnNewer) = at;
        own.Newest = at;
        own.Count++;
        if (bytes > 0)
        {
            (own.NewestHeavy == None ? ref own.OldestHeavy : ref _entries[own.NewestHeavy].HeavyNewer) = at;
            own.NewestHeavy = at;
            own.Bytes += bytes;
            Volatile.Write(ref _bytes, _bytes + bytes);
        }

        _unseen = _unseen == None ? at : _unseen;
        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>Goes through what was appended, each once. Before anything is taken.</summary>
    public bool TryVisitNew([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_unseen == None)
        {
            record = null;
            return false;
        }

        record = _entries[_unseen].Record;
        _unseen = _entries[_unseen].Newer;
        return true;
    }

    /// <summary>When all hold too much: takes the oldest that holds anything, of the tenant that holds most.</summary>
    public bool TryTakeHeavy([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_bytes <= _maxBytes)
        {
            record = null;
            return false;
        }

        if (_heaviest.TakesLeft-- <= 0 || _tenants[_heaviest.Tenant].Bytes == 0)
        {
            Choose(ref _heaviest, static (in Tenant tenant) => tenant.Bytes);
        }

        record = Take(_tenants[_heaviest.Tenant].OldestHeavy);
        return true;
    }

    /// <summary>When there are too many: takes the oldest of the tenant that has most.</summary>
    public bool TryTakeExcess([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_count <= _maxCount)
        {
            record = null;
            return false;
        }

        ChooseMost();
        _most.TakesLeft--;
        record = Take(_tenants[_most.Tenant].Oldest);
        return true;
    }

    /// <summary>The one that the next end pushes out, if there are as many as there may be.</summary>
    public bool TryPeekNext([NotNullWhen(true)] out TaskRecord? record)
    {
        if (_count < _maxCount || _count == 0)
        {
            record = null;
            return false;
        }

        ChooseMost();
        record = _entries[_tenants[_most.Tenant].Oldest].Record;
        return true;
    }

    /// <summary>Takes the oldest of all when its time is over.</summary>
    public bool TryTakeExpired(long now, [NotNullWhen(true)] out TaskRecord? record)
    {
        if (_oldest != None && now - _entries[_oldest].Ended > _maxTicks)
        {
            record = Take(_oldest);
            return true;
        }

        record = null;
        return false;
    }

    private delegate long Measure(in Tenant tenant);

    private void ChooseMost()
    {
        if (_most.TakesLeft <= 0 || _tenants[_most.Tenant].Count == 0)
        {
            Choose(ref _most, static (in Tenant tenant) => tenant.Count);
        }
    }

    private void Choose(ref Choice choice, Measure measure)
    {
        var most = -1L;
        for (var i = 0; i < _tenants.Length; i++)
        {
            if (measure(in _tenants[i]) is var has && has > most)
            {
                most = has;
                choice.Tenant = i;
            }
        }

        choice.TakesLeft = TakesPerChoice;
    }

    private ref Tenant TenantOf(int tenant)
    {
        if (tenant >= _tenants.Length)
        {
            var before = _tenants.Length;
            Array.Resize(ref _tenants, Math.Max(tenant + 1, 2 * before));
            _tenants.AsSpan(before).Fill(Tenant.Empty);
        }

        return ref _tenants[tenant];
    }

    // Whatever is taken, for whichever bound, is the oldest of its tenant's that hold bytes, if it holds any: so that list loses its first alone.
    private TaskRecord Take(int at)
    {
        ref var entry = ref _entries[at];
        ref var own = ref _tenants[entry.Record.Tenant];
        (entry.Older == None ? ref _oldest : ref _entries[entry.Older].Newer) = entry.Newer;
        (entry.Newer == None ? ref _newest : ref _entries[entry.Newer].Older) = entry.Older;
        (entry.OwnOlder == None ? ref own.Oldest : ref _entries[entry.OwnOlder].OwnNewer) = entry.OwnNewer;
        (entry.OwnNewer == None ? ref own.Newest : ref _entries[entry.OwnNewer].OwnOlder) = entry.OwnOlder;
        own.Count--;
        if (entry.Bytes > 0)
        {
            own.OldestHeavy = entry.HeavyNewer;
            own.NewestHeavy = entry.HeavyNewer == None ? None : own.NewestHeavy;
            own.Bytes -= entry.Bytes;
            Volatile.Write(ref _bytes, _bytes - entry.Bytes);
        }

        Volatile.Write(ref _count, _count - 1);
        entry.Newer = _free;
        _free = at;
        return entry.Record;
    }
}
