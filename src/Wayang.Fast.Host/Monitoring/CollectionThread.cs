using System.Globalization;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// A thread that does nothing but collect garbage when it is asked to, and goes before all tasks meanwhile where the host allows it: a collection
/// runs on the thread that asked for it, all others stand still until it is over, and a processor that is taken from it for three milliseconds is a
/// pause of three milliseconds. Thread-safe.
/// </summary>
internal sealed class CollectionThread : IDisposable
{
    private readonly Lock _one = new();
    private readonly SemaphoreSlim _asked = new(0);
    private readonly SemaphoreSlim _done = new(0);
    private readonly Action<int>? _onStart;
    private readonly Thread _thread;
    private bool _ends;

    /// <param name="onStart">Told the system's number of the thread, on it, before its first collection: whoever may puts it before the tasks.</param>
    public CollectionThread(Action<int>? onStart = null)
    {
        _onStart = onStart;
        _thread = new Thread(Run) { IsBackground = true, Name = "wayang-collect" };
        _thread.Start();
    }

    /// <summary>
    /// Collects the youngest generation; returns when that is over. Older ones are left to the runtime: what is made old before its time by being looked at too often fills
    /// the oldest, and that is collected with all threads stopped for 25 ms.
    /// </summary>
    public void Collect()
    {
        lock (_one)
        {
            if (_ends)
            {
                return;
            }

            _asked.Release();
            _done.Wait();
        }
    }

    public void Dispose()
    {
        lock (_one)
        {
            if (_ends)
            {
                return;
            }

            _ends = true;
            _asked.Release();
        }

        _thread.Join();
        _asked.Dispose();
        _done.Dispose();
    }

    private void Run()
    {
        if (_onStart is not null && File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false) is { } self && int.TryParse(self.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var thread))
        {
            _onStart(thread);
        }

        for (_asked.Wait(); !_ends; _asked.Wait())
        {
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
            _done.Release();
        }
    }
}
