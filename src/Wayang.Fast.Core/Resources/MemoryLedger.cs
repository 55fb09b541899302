using System.Runtime.InteropServices;

namespace Wayang.Fast.Core.Resources;

/// <summary>
/// How much of the node's memory is set aside for what runs, and who waits for some. Tasks that wait are taken by level, the oldest of a level
/// first. A smaller one may pass a larger one that does not fit yet, but not for longer than a bound: from then on nothing of its level or
/// below passes it, so that what becomes free is kept for it. Not thread-safe: the dispatch owner's.
/// </summary>
/// <param name="patience">Ticks of the caller's clock that a task may be passed by others.</param>
public sealed class MemoryLedger(long patience)
{
    private readonly List<Waiting> _waiting = []; // by level, then by age; short: only what has a slot and no memory
    private int[] _shown = []; // the same for other threads

    /// <summary>Bytes that may be set aside in all. A lower figure than what is set aside holds everything until enough came back.</summary>
    public long Capacity { get; set; } = long.MaxValue;

    /// <summary>Bytes set aside now.</summary>
    public long Reserved { get; private set; }

    public int Count => _waiting.Count;

    /// <summary>Whether a task waits here. Any thread may look: the answer may be that of a moment ago.</summary>
    public bool Holds(int task) => Volatile.Read(ref _shown).Contains(task);

    /// <summary>What waits, in the order in which it is looked at: its slot in the task table.</summary>
    public IEnumerable<int> Tasks => _waiting.Select(static w => w.Task);

    /// <summary>Sets bytes aside unless they are not there, or somebody waits who must not be passed. More than the whole
    /// capacity is lent when nothing else is: such a task runs alone.</summary>
    public bool TryReserve(long bytes, byte level, long now)
    {
        foreach (var waiting in _waiting)
        {
            if (waiting.Level >= level && now - waiting.Since >= patience)
            {
                return false;
            }
        }

        return TryLend(bytes);
    }

    /// <summary>So much would be lent now, were nobody waiting who must not be passed.</summary>
    public bool HasRoom(long bytes) => bytes <= 0 || bytes <= Capacity - Reserved || Reserved <= 0;

    /// <summary>Lets a task wait for memory.</summary>
    public void Wait(int task, byte level, long now)
    {
        var place = _waiting.Count;
        while (place > 0 && _waiting[place - 1].Level < level)
        {
            place--;
        }

        _waiting.Insert(place, new Waiting(task, level, now));
        Show();
    }

    /// <summary>Gives back what was set aside.</summary>
    public void Release(long bytes) => Reserved -= bytes;

    /// <summary>The next that waits and for which there is memory now; it is set aside, and the task waits no more.</summary>
    /// <param name="now">Of the caller's clock.</param>
    /// <param name="bytesOf">What a task needs by now: more may have been learned while it waited.</param>
    /// <param name="task">Its slot in the task table.</param>
    /// <param name="level">As it began to wait.</param>
    /// <param name="bytes">What was set aside for it.</param>
    public bool TryTake(long now, Func<int, long> bytesOf, out int task, out byte level, out long bytes)
    {
        ArgumentNullException.ThrowIfNull(bytesOf);
        for (var i = 0; i < _waiting.Count; i++)
        {
            var waiting = _waiting[i];
            bytes = bytesOf(waiting.Task);
            if (TryLend(bytes))
            {
                _waiting.RemoveAt(i);
                Show();
                (task, level) = (waiting.Task, waiting.Level);
                return true;
            }

            if (now - waiting.Since >= patience)
            {
                break;
            }
        }

        (task, level) = (-1, 0);
        bytes = 0;
        return false;
    }

    /// <summary>A task that waits no more, because it ended. False: it did not wait here.</summary>
    public bool Remove(int task, out byte level)
    {
        var at = _waiting.FindIndex(w => w.Task == task);
        level = at < 0 ? (byte)0 : _waiting[at].Level;
        if (at >= 0)
        {
            _waiting.RemoveAt(at);
            Show();
        }

        return at >= 0;
    }

    private void Show() => Volatile.Write(ref _shown, [.. _waiting.Select(static w => w.Task)]);

    private bool TryLend(long bytes)
    {
        if (!HasRoom(bytes))
        {
            return false;
        }

        Reserved += bytes;
        return true;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Waiting(int Task, byte Level, long Since);
}
