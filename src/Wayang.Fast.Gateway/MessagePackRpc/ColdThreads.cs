using System.Collections.Concurrent;

namespace Wayang.Fast.Gateway.MessagePackRpc;

/// <summary>
/// The threads of cold operations, apart from the thread pool: however many of those block, what hops to the pool (large frames,
/// paused connections, timers, HTTP) finds it free. Threads are started as they are needed, up to a bound; more operations
/// wait in order. How many can wait is bounded by who queues them: calls in flight, and bytes copied.
/// </summary>
internal sealed class ColdThreads : IDisposable
{
    private readonly BlockingCollection<IThreadPoolWorkItem> _items = [];
    private readonly int _most;
    private int _threads;

    // Operations that wait or run: while there are more of them than threads, another thread is started.
    private int _open;

    public ColdThreads(int most) => _most = most;

    public static int DefaultCount => Math.Max(4, Environment.ProcessorCount * 2);

    /// <summary>Operations that wait for a thread.</summary>
    public int Waiting => _items.Count;

    public int Threads => Volatile.Read(ref _threads);

    /// <summary>False once disposed: the operation will not run.</summary>
    public bool Queue(IThreadPoolWorkItem item)
    {
        try
        {
            _items.Add(item);
        }
        catch (InvalidOperationException)
        {
            return false;
        }

        if (Interlocked.Increment(ref _open) > Volatile.Read(ref _threads))
        {
            StartOne();
        }

        return true;
    }

    /// <summary>What waits is still run; no thread is waited for.</summary>
    public void Dispose() => _items.CompleteAdding();

    private void StartOne()
    {
        if (Interlocked.Increment(ref _threads) > _most)
        {
            Interlocked.Decrement(ref _threads);
            return;
        }

        new Thread(Run) { Name = "wayang-cold", IsBackground = true }.Start();
    }

    private void Run()
    {
        foreach (var item in _items.GetConsumingEnumerable())
        {
            item.Execute();
            Interlocked.Decrement(ref _open);
        }
    }
}
