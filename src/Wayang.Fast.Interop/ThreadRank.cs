namespace Wayang.Fast.Interop;

/// <summary>For how long the kernel lets a thread go on (<c>sched_setattr(2)</c>). Any thread.</summary>
public static class ThreadSlice
{
    /// <summary>
    /// Who wakes takes the processor from a thread with a longer slice than its own. A wish: an older kernel, or one that does not allow it, changes nothing; a thread of
    /// real time is left as it is.
    /// </summary>
    /// <param name="thread">The system's number of an own thread.</param>
    /// <param name="slice">0.1 to 100 ms; what is outside is taken as the nearest.</param>
    public static void Set(int thread, TimeSpan slice) => NativeMethods.wayang_slice_thread(thread, (long)slice.TotalNanoseconds);
}
