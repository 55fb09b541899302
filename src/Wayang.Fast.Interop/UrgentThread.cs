namespace Wayang.Fast.Interop;

/// <summary>Puts a thread before all ordinary ones of the host.</summary>
public static class UrgentThread
{
    /// <summary>
    /// The calling thread goes before them from now on (SCHED_RR, lowest priority). 0, or the error number where that is not allowed: it needs an
    /// RLIMIT_RTPRIO of 1, which the keeper gives the daemon as root, and time for it in a control group of the first version.
    /// </summary>
    public static int Enter() => -NativeMethods.wayang_outrun();
}
