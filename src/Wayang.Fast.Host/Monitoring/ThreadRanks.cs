using System.Globalization;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Gives the daemon's threads their ranks. Those that answer callers go before all ordinary ones, where the host allows it: what they do for one is done within
/// microseconds, and an ordinary thread that is interrupted before it is through (by a caller that it woke, or by the kernel's own) comes after whoever has waited: a task
/// then had the processor until the next tick of the clock, 4 ms. Those that work for milliseconds at a time (they copy large payloads, have memory made, compile, write files)
/// get a longer slice: all threads of the daemon inherit its weight and its short slice, and who has both is not interrupted: beside one of them that copied a megabyte, an urgent
/// worker waited for the next tick while it had the same processor. With a longer slice it gives way as soon as one of those wakes.
/// The pool starts and ends its threads as it likes, from whichever thread is there, and tells nobody, so all threads are looked at once a second, and those that go first five times: who is busy does not (<see cref="FirstThread"/>).
/// </summary>
internal sealed class ThreadRanks : IDisposable
{
    /// <summary>Of a thread that reads requests or takes completions: before all tasks.</summary>
    private static readonly TimeSpan s_first = TimeSpan.Zero;

    /// <summary>
    /// Of a thread that answers somebody: longer than that of an urgent worker (0.1 ms), and shorter than that of a normal one (0.5 ms), which would else keep the processor from it until the next tick.
    /// </summary>
    private static readonly TimeSpan s_answering = TimeSpan.FromMicroseconds(400);

    /// <summary>Of the supervisor, and of the spawner that it speaks with: it stages inputs and reads what commands write, for half a millisecond at a time, and freezes and moves tasks, for which somebody waits.</summary>
    private static readonly TimeSpan s_starting = TimeSpan.FromMicroseconds(200);

    /// <summary>Of a thread that nobody waits for.</summary>
    private static readonly TimeSpan s_behind = TimeSpan.FromMilliseconds(3);

    private const string Threads = "/proc/self/task";
    private const int LooksAtAll = 5; // every so many looks at those that go first
    private static readonly TimeSpan s_period = TimeSpan.FromMilliseconds(200);

    // As the runtime and we name them, cut to the kernel's 15 characters.
    private static readonly Dictionary<string, TimeSpan> s_slices = new(StringComparer.Ordinal)
    {
        [".NET Sockets"] = s_first,
        ["wayang-completi"] = s_first,
        [".NET TP Worker"] = s_answering,
        ["wayang-cold"] = s_answering,
        ["wayang-supervis"] = s_starting,
        ["ledger"] = s_answering,
        ["audit"] = s_behind,
        ["wayang-delete"] = s_behind,
        [".NET Tiered Com"] = s_behind,
        [".NET BGC"] = s_behind,
    };

    private readonly Action<int> _putFirst;
    private readonly Action<int> _putBeforeTasks;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _one = new();
    private readonly Dictionary<int, FirstThread> _first = [];
    private long _lookedAt;
    private int _looks;
    private bool _isOver;
    private HashSet<int> _settled = [];
    private HashSet<int> _seen = [];

    /// <param name="time">When to look: at once, then five times a second.</param>
    /// <param name="putFirst">Takes the system's number of a thread that is to go before the tasks.</param>
    /// <param name="putBeforeTasks">Takes that of one that weighs less than the daemon: what a thread starts that goes first is ordinary, and inherits no weight.</param>
    public ThreadRanks(TimeProvider time, Action<int> putFirst, Action<int> putBeforeTasks)
    {
        _putFirst = putFirst;
        _putBeforeTasks = putBeforeTasks;

        _time = time;
        _lookedAt = time.GetTimestamp();

        // Started when it is here: its first look sets it for the next.
        _timer = time.CreateTimer(static self => ((ThreadRanks)self!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Who ranks is told nothing more from then on.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        lock (_one)
        {
            _isOver = true;
        }
    }

    private void Look()
    {
        lock (_one)
        {
            if (_isOver)
            {
                return;
            }

            try
            {
                if (_looks++ % LooksAtAll == 0)
                {
                    RankAll();
                }

                PaceFirst();
            }
            catch (IOException)
            {
                // Without descriptors for a moment: at the next look.
            }

            _timer.Change(s_period, Timeout.InfiniteTimeSpan);
        }
    }

    private void RankAll()
    {
        // A thread has its parent's name at first: what it is called is believed at the second look, and nobody is put first before.
        var (settled, seen) = (new HashSet<int>(), new HashSet<int>());
        foreach (var directory in Directory.EnumerateDirectories(Threads))
        {
            if (!int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var thread))
            {
                continue;
            }

            if (_settled.Contains(thread))
            {
                settled.Add(thread);
                continue;
            }

            var isKnown = _seen.Contains(thread);
            (isKnown ? settled : seen).Add(thread);
            if (NameOf(directory) is { } name && s_slices.TryGetValue(name, out var slice))
            {
                Rank(thread, slice, isKnown);
            }
        }

        (_settled, _seen) = (settled, seen);
    }

    private void Rank(int thread, TimeSpan slice, bool isKnown)
    {
        if (!isKnown && ThreadRank.WeighsLess(thread))
        {
            _putBeforeTasks(thread); // it gets its slice at the next look: who sets that sets the weight too
        }
        else if (slice != s_first)
        {
            ThreadRank.SetSlice(thread, slice);
        }
        else if (isKnown)
        {
            _first.TryAdd(thread, new FirstThread());
        }
    }

    private void PaceFirst()
    {
        var now = _time.GetTimestamp();
        var elapsed = (long)_time.GetElapsedTime(_lookedAt, now).TotalNanoseconds;
        _lookedAt = now;
        foreach (var (thread, state) in _first)
        {
            if (UsedBy(thread) is not { } used)
            {
                _first.Remove(thread);
            }
            else if (state.Look(used, elapsed))
            {
                // Where the host does not allow it: the daemon's weight and its short slice, as before.
                (state.IsFirst ? _putFirst : _putBeforeTasks)(thread);
            }
        }
    }

    /// <summary>Nanoseconds of processor time; null: it has ended.</summary>
    private static long? UsedBy(int thread) =>
        Read($"{Threads}/{thread.ToString(CultureInfo.InvariantCulture)}/schedstat") is { } text && long.TryParse(text.AsSpan(0, Math.Max(0, text.IndexOf(' ', StringComparison.Ordinal))), NumberStyles.None, CultureInfo.InvariantCulture, out var used)
            ? used : null;

    /// <summary>Null: it has ended.</summary>
    private static string? NameOf(string directory) => Read(Path.Combine(directory, "comm"))?.TrimEnd('\n');

    /// <summary>Null: there is none (any more).</summary>
    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
