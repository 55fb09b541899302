using System.Runtime;

namespace Wayang.Fast.Host.Monitoring;

/// <summary>
/// What of the garbage collector and the thread pool is set in code; the rest stands in the project file, which makes the program's
/// runtimeconfig. The reasons are in src/README.md, "Memory and threads".
/// </summary>
internal static class GcSettings
{
    private const int PoolThreads = 8;

    public static void Apply()
    {
        // No full blocking collection while memory is there: generation 2 is collected beside the running threads.
        GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;

        // Below the minimum a thread is started at once, above it one or two a second: a burst of hops must not wait for that.
        ThreadPool.GetMinThreads(out var workers, out var completions);
        ThreadPool.SetMinThreads(Math.Max(workers, PoolThreads), completions);
    }

    /// <summary>
    /// Makes all that lives now old, before anybody is served: what survives a collection is moved to the next generation only, so two of
    /// them. Later ones of the young generations neither look at it nor move it, once they have seen that nothing of it refers to anything young: what was
    /// made last referred to its likes, which marks its place (a card) until young collections have looked there twice. That look took 5 ms with
    /// the records of 100,000 tasks, and is had here.
    /// </summary>
    public static void Settle()
    {
        for (var generation = 0; generation < GC.MaxGeneration; generation++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
        }

        LookTwice();
    }

    /// <summary>The same for what the doors and the spawner made since, right before anybody is served: a little, and a millisecond or two.</summary>
    public static void SettleYoung()
    {
        for (var generation = 0; generation < GC.MaxGeneration; generation++)
        {
            GC.Collect(1, GCCollectionMode.Forced, blocking: true);
        }

        LookTwice();
    }

    private static void LookTwice()
    {
        for (var look = 0; look < 2; look++)
        {
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
        }
    }
}
