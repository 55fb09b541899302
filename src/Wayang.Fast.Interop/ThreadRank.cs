namespace Wayang.Fast.Interop;

/// <summary>Who goes first among the threads of a machine, as the kernel counts (<c>sched(7)</c>). Any thread.</summary>
public static class ThreadRank
{
    /// <summary>
    /// Who wakes takes the processor from a thread with a longer slice than its own. A wish: an older kernel, or one that does not allow it, changes nothing; a thread of
    /// real time is left as it is.
    /// </summary>
    /// <param name="thread">The system's number of an own thread.</param>
    /// <param name="slice">0.1 to 100 ms; what is outside is taken as the nearest.</param>
    public static void SetSlice(int thread, TimeSpan slice) => NativeMethods.wayang_slice_thread(thread, (long)slice.TotalNanoseconds);

    /// <summary>Whether an ordinary thread weighs less than its process' first one.</summary>
    /// <param name="thread">The system's number of an own thread.</param>
    public static bool WeighsLess(int thread) => NativeMethods.wayang_thread_weighs_less(thread) != 0;
}
