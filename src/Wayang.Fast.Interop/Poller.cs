using System.Runtime.InteropServices;

namespace Wayang.Fast.Interop;

/// <summary>What a descriptor is ready for. Mirror of wayang_poll_event.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct PollEvent : IEquatable<PollEvent>
{
    internal const uint ReadableBit = 1;
    internal const uint WritableBit = 2;
    internal const uint HangUpBit = 4;
    internal const uint EdgeBit = 8;

    // In the order of the C struct.
    private readonly ulong _token;
    private readonly uint _events;
    private readonly uint _reserved;

    public ulong Token => _token;

    public bool Readable => (_events & ReadableBit) != 0;

    public bool Writable => (_events & WritableBit) != 0;

    /// <summary>The peer is gone, or the descriptor failed.</summary>
    public bool HangUp => (_events & HangUpBit) != 0;

    public static bool operator ==(PollEvent left, PollEvent right) => left.Equals(right);

    public static bool operator !=(PollEvent left, PollEvent right) => !left.Equals(right);

    public bool Equals(PollEvent other) => _token == other._token && _events == other._events && _reserved == other._reserved;

    public override bool Equals(object? obj) => obj is PollEvent other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(_token, _events);
}

/// <summary>
/// An epoll set. Add and Remove from any thread, Wait from one. Tokens stand for descriptors: make them unique over time
/// (index plus generation), because an event of a removed descriptor may already be in the caller's hands.
/// </summary>
public sealed unsafe class Poller : IDisposable
{
    private readonly DescriptorHandle _handle;

    public Poller()
    {
        int descriptor;
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_epoll_create(&descriptor, &error), &error);
        _handle = new DescriptorHandle(descriptor);
    }

    /// <summary>Watches for reading, and for writing if asked. Hang-ups are always told.</summary>
    /// <exception cref="NativeException">Already there, or not a descriptor that epoll takes.</exception>
    public void Add(int fd, ulong token, bool edgeTriggered, bool writable = false)
    {
        uint events = PollEvent.ReadableBit | (writable ? PollEvent.WritableBit : 0) | (edgeTriggered ? PollEvent.EdgeBit : 0);
        AddExact(fd, token, events);
    }

    /// <summary>Watches for writing only.</summary>
    public void AddWritable(int fd, ulong token, bool edgeTriggered) =>
        AddExact(fd, token, PollEvent.WritableBit | (edgeTriggered ? PollEvent.EdgeBit : 0));

    /// <summary>Stops watching. Call before the descriptor is closed.</summary>
    public void Remove(int fd)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_epoll_remove(_handle.Descriptor, fd, &error), &error);
    }

    /// <summary>Waits up to <paramref name="timeoutMs"/> (0 looks only); fills at most 256 events.</summary>
    /// <returns>Number of events; 0 after the time, or after a signal.</returns>
    public int Wait(Span<PollEvent> events, int timeoutMs) => WaitMicroseconds(events, timeoutMs < 0 ? -1 : timeoutMs * 1000L);

    /// <summary>The same, in microseconds (-1: without end); whole milliseconds, rounded up, on Linux before 5.11.</summary>
    public int WaitMicroseconds(Span<PollEvent> events, long timeout)
    {
        int count = 0;
        NativeError error;
        fixed (PollEvent* first = events)
        {
            int status = NativeMethods.wayang_epoll_wait(_handle.Descriptor, first, events.Length, timeout, &count, &error);
            NativeError.ThrowIfFailed(status, &error);
        }

        return count;
    }

    public void Dispose() => _handle.Dispose();

    private void AddExact(int fd, ulong token, uint events)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_epoll_add(_handle.Descriptor, fd, token, events, &error), &error);
    }
}
