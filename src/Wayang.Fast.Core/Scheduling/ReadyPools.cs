using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Scheduling;

/// <summary>
/// The pools that can run something, each at the highest level that waits in it: a bitmap of pools per level, and a bitmap of
/// the levels that have any. Up to 64 pools everything is a few instructions on one word, without a jump that depends
/// on what waits (such jumps are guessed wrong every other time, and that is what a dequeue costs); beyond, a level's words
/// are searched eight at a time.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct ReadyPools
{
    public const int NoLevel = -1;

    private readonly int[] _last; // per level: the pool that was served last
    private ulong[] _words; // per level: a bit for each pool
    private int _groups; // words a level has
    private ulong _levels;

    public ReadyPools()
    {
        _last = new int[Scheduler.Levels];
        _last.AsSpan().Fill(63); // pool 0 begins
        _words = new ulong[Scheduler.Levels];
        _groups = 1;
    }

    public readonly bool IsEmpty => _levels == 0;

    public readonly int HighestLevel => BitOperations.Log2(_levels);

    /// <summary>The pool whose turn it is at a level that has one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int Next(int level)
    {
        if (_groups != 1)
        {
            return NextOfMany(level);
        }

        var word = _words[level];
        ref var last = ref _last[level];
        var later = word & (~1UL << last);
        last = BitOperations.TrailingZeroCount(later != 0 ? later : word);
        return last;
    }

    /// <summary>From one level to another one, or from or to none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Move(int pool, int from, int to)
    {
        if (_groups != 1 || (from | to) < 0)
        {
            MoveAny(pool, from, to);
            return;
        }

        var words = _words;
        var left = words[from] & ~(1UL << pool);
        words[from] = left;
        words[to] |= 1UL << pool;
        _levels = (_levels & ~((left == 0 ? 1UL : 0UL) << from)) | (1UL << to);
    }

    /// <summary>Makes room for a pool's number.</summary>
    public void Reserve(int pool)
    {
        var groups = _groups;
        while (pool >> 6 >= groups)
        {
            groups *= 2;
        }

        if (groups == _groups)
        {
            return;
        }

        var words = new ulong[Scheduler.Levels * groups];
        for (var level = 0; level < Scheduler.Levels; level++)
        {
            Row(level).CopyTo(words.AsSpan(level * groups));
        }

        (_words, _groups) = (words, groups);
    }

    private readonly Span<ulong> Row(int level) => _words.AsSpan(level * _groups, _groups);

    private void MoveAny(int pool, int from, int to)
    {
        var bit = 1UL << (pool & 63);
        if (from >= 0)
        {
            var row = Row(from);
            row[pool >> 6] &= ~bit;
            if (row.IndexOfAnyExcept(0UL) < 0)
            {
                _levels &= ~(1UL << from);
            }
        }

        if (to >= 0)
        {
            Row(to)[pool >> 6] |= bit;
            _levels |= 1UL << to;
        }
    }

    private readonly int NextOfMany(int level)
    {
        var row = Row(level);
        var last = _last[level];
        var group = last >> 6;
        var word = row[group] & (~1UL << (last & 63));
        if (word == 0)
        {
            var after = row[(group + 1)..].IndexOfAnyExcept(0UL);
            group = after >= 0 ? group + 1 + after : row.IndexOfAnyExcept(0UL);
            word = row[group];
        }

        return _last[level] = (group << 6) + BitOperations.TrailingZeroCount(word);
    }
}
