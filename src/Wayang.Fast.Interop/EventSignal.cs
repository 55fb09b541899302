using System.Runtime.CompilerServices;

namespace Wayang.Fast.Interop;

/// <summary>An eventfd of our own, to wake a thread that waits in a <see cref="Poller"/>. Any thread may signal.</summary>
public sealed unsafe class EventSignal : IDisposable
{
    private readonly DescriptorHandle _handle;

    public EventSignal()
    {
        int descriptor;
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_eventfd(&descriptor, &error), &error);
        _handle = new DescriptorHandle(descriptor);
    }

    public int Descriptor => _handle.Descriptor;

    // Not inlined: a caller would set up the frame of the call into native code even where it does not signal.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Signal()
    {
        // Would block only when 2^64 - 2 signals are pending: then the waiter is awake anyway.
        ulong one = 1;
        _ = NativeMethods.wayang_write(_handle.Descriptor, (byte*)&one, sizeof(ulong));
    }

    /// <summary>Takes all pending signals; without effect when there is none.</summary>
    public void Drain()
    {
        ulong count;
        _ = NativeMethods.wayang_read(_handle.Descriptor, (byte*)&count, sizeof(ulong));
    }

    public void Dispose() => _handle.Dispose();
}
