namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// The threads of cold operations, apart from the thread pool: however many of those block, what hops to the pool (large frames,
/// paused connections, timers, HTTP) finds it free. Threads are started as they are needed, up to a bound; more operations
/// wait in order. How many can wait is bounded by who queues them: calls in flight, and bytes copied.
/// Who finds nothing to do sleeps at once: collections and semaphores of the framework yield the processor some dozen times before, and several that
/// do so hand it to each other, before every worker that waits for it. Thread-safe. An operation must not throw.
/// </summary>
public sealed class ColdThreads : IDisposable
{
    // A monitor, as its waits do not spin.
    private readonly object _gate = new();
    private readonly Queue<IThreadPoolWorkItem> _items = [];
    private readonly int _most;
    private int _threads;
    private int _idle;
    private bool _ends;

    /// <param name="most">Threads, at least 1.</param>
    public ColdThreads(int most) => _most = most;

    /// <summary>Two a processor, and four at least: they wait for others most of the time.</summary>
    public static int DefaultCount => Math.Max(4, Environment.ProcessorCount * 2);

    /// <summary>Operations that wait for a thread.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _items.Count;
            }
        }
    }

    /// <summary>Threads that were started; none ends before all do.</summary>
    public int Threads => Volatile.Read(ref _threads);

    /// <summary>Any thread; waits for nothing.</summary>
    /// <returns>False once disposed: the operation will not run.</returns>
    public bool Queue(IThreadPoolWorkItem item)
    {
        lock (_gate)
        {
            if (_ends)
            {
                return false;
            }

            _items.Enqueue(item);
            if (_items.Count <= _idle)
            {
                Monitor.Pulse(_gate);
                return true;
            }

            if (_threads == _most)
            {
                return true;
            }

            _threads++;
        }

        new Thread(Run) { Name = "wayang-cold", IsBackground = true }.Start();
        return true;
    }

    /// <summary>What waits is still run; no thread is waited for.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ends = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Run()
    {
        while (Take() is { } item)
        {
            item.Execute();
        }
    }

    /// <summary>Waits for the next one; null: there will be none.</summary>
    private IThreadPoolWorkItem? Take()
    {
        lock (_gate)
        {
            IThreadPoolWorkItem? item;
            while (!_items.TryDequeue(out item) && !_ends)
            {
                _idle++;
                Monitor.Wait(_gate);
                _idle--;
            }

            return item;
        }
    }
}
