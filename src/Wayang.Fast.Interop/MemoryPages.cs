namespace Wayang.Fast.Interop;

/// <summary>Wishes to the kernel about memory of this process. The caller owns the range and keeps it pinned; any thread.</summary>
public static unsafe class MemoryPages
{
    /// <summary>Asks for large pages, where the host has any (<c>madvise(MADV_HUGEPAGE)</c>). Nothing is told when it has none.</summary>
    public static void PreferLarge(nint address, long bytes) => NativeMethods.wayang_prefer_large_pages((void*)address, bytes);

    /// <summary>
    /// Has the pages of a writable range made without changing a byte. The wait for the kernel is spent outside of managed code, so no collection waits for it.
    /// </summary>
    public static void Touch(nint address, long bytes) => NativeMethods.wayang_touch_pages((void*)address, bytes);

    /// <summary>The calling thread, which makes pages ahead, goes behind all that somebody waits for. For good: a thread of its own.</summary>
    public static void GiveWay() => NativeMethods.wayang_give_way();
}
