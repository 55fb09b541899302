using System.Globalization;
using Wayang.Fast.Interop;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// Threads of the daemon that work for milliseconds at a time (they copy large payloads, have memory made, compile, write files) get a longer slice. All threads of the daemon
/// inherit its weight and its short slice, and who has both is not interrupted: beside one of them that copied a megabyte, an urgent worker, or the thread that
/// reads everybody's requests, waited for the next tick of the clock (4 ms) while it had the same processor. With a longer slice it gives way as soon as one of those wakes.
/// The pool starts and ends its threads as it likes and tells nobody, so all threads are looked at once a second.
/// </summary>
internal sealed class BulkThreads : IDisposable
{
    /// <summary>
    /// Of a thread that answers somebody: longer than that of an urgent worker (0.1 ms), and shorter than that of a normal one (0.5 ms), which would else keep the processor from it until the next tick.
    /// </summary>
    private static readonly TimeSpan s_answering = TimeSpan.FromMicroseconds(400);

    /// <summary>Of the supervisor, and of the spawner that it speaks with: it stages inputs and reads what commands write, for half a millisecond at a time, and freezes and moves tasks, for which somebody waits.</summary>
    private static readonly TimeSpan s_starting = TimeSpan.FromMicroseconds(200);

    /// <summary>Of a thread that nobody waits for.</summary>
    private static readonly TimeSpan s_behind = TimeSpan.FromMilliseconds(3);

    private const string Threads = "/proc/self/task";
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(1);

    // As the runtime and we name them, cut to the kernel's 15 characters.
    private static readonly Dictionary<string, TimeSpan> s_slices = new(StringComparer.Ordinal)
    {
        [".NET TP Worker"] = s_answering,
        ["wayang-cold"] = s_answering,
        ["wayang-supervis"] = s_starting,
        ["ledger"] = s_answering,
        ["audit"] = s_behind,
        ["wayang-delete"] = s_behind,
        [".NET Tiered Com"] = s_behind,
        [".NET BGC"] = s_behind,
    };

    private readonly ITimer _timer;
    private HashSet<int> _settled = [];
    private HashSet<int> _seen = [];

    /// <param name="time">When to look: at once, then each second.</param>
    public BulkThreads(TimeProvider time)
    {
        // Started when it is here: its first look sets it for the next.
        _timer = time.CreateTimer(static self => ((BulkThreads)self!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        try
        {
            Weigh();
        }
        catch (IOException)
        {
            // Without descriptors for a moment: at the next look.
        }

        _timer.Change(s_period, Timeout.InfiniteTimeSpan);
    }

    private void Weigh()
    {
        // A thread has its parent's name at first: what it is called is believed at the second look.
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

            (_seen.Contains(thread) ? settled : seen).Add(thread);
            if (NameOf(directory) is { } name && s_slices.TryGetValue(name, out var slice))
            {
                ThreadSlice.Set(thread, slice);
            }
        }

        (_settled, _seen) = (settled, seen);
    }

    /// <summary>Null: it has ended.</summary>
    private static string? NameOf(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "comm")).TrimEnd('\n');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
