namespace Wayang.Fast.Interop;

public enum PacketStatus
{
    Ok = 0,
    WouldBlock = 1,
    Closed = 2,

    /// <summary>The packet or its descriptors did not fit; it is lost and its descriptors were closed.</summary>
    TooLarge = 3,
}

/// <summary>
/// A SOCK_SEQPACKET socket that carries packets and descriptors. Never blocks: wait in a <see cref="Poller"/>. One thread may
/// send while another receives.
/// </summary>
public sealed unsafe class PacketSocket : IDisposable
{
    public const int MaxDescriptors = 16;

    private readonly DescriptorHandle _handle;

    private PacketSocket(int descriptor) => _handle = new DescriptorHandle(descriptor);

    public int Descriptor => _handle.Descriptor;

    /// <summary>Takes ownership of <paramref name="fd"/>.</summary>
    public static PacketSocket FromDescriptor(int fd) => new(fd);

    /// <summary>Two connected sockets; the caller owns both descriptors.</summary>
    public static (int First, int Second) Pair()
    {
        int* fds = stackalloc int[2];
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_packet_pair(fds, &error), &error);
        return (fds[0], fds[1]);
    }

    /// <summary>Sends one packet; the descriptors stay the caller's.</summary>
    /// <exception cref="NativeException">The message is over the socket's bound, or a descriptor is not one.</exception>
    public PacketStatus Send(ReadOnlySpan<byte> message, ReadOnlySpan<int> fds)
    {
        NativeError error;
        fixed (byte* bytes = message)
        fixed (int* descriptors = fds)
        {
            int status = NativeMethods.wayang_packet_send(
                _handle.Descriptor, bytes, message.Length, descriptors, fds.Length, &error);
            return Convert((NativeStatus)status, &error);
        }
    }

    /// <summary>Receives one packet; the descriptors, close-on-exec, are the caller's.</summary>
    public PacketStatus Receive(Span<byte> buffer, Span<int> fds, out int bytes, out int fdCount)
    {
        int length = 0;
        int count = 0;
        NativeError error;
        fixed (byte* first = buffer)
        fixed (int* descriptors = fds)
        {
            int status = NativeMethods.wayang_packet_receive(
                _handle.Descriptor, first, buffer.Length, descriptors, fds.Length, &length, &count, &error);
            bytes = length;
            fdCount = count;
            return Convert((NativeStatus)status, &error);
        }
    }

    public void Dispose() => _handle.Dispose();

    private static PacketStatus Convert(NativeStatus status, NativeError* error)
    {
        switch (status)
        {
            case NativeStatus.Ok:
                return PacketStatus.Ok;
            case NativeStatus.Empty:
            case NativeStatus.Full:
                return PacketStatus.WouldBlock;
            case NativeStatus.Closed:
                return PacketStatus.Closed;
            case NativeStatus.TooBig:
                return PacketStatus.TooLarge;
            default:
                NativeError.ThrowIfFailed((int)status, error);
                return PacketStatus.Ok;
        }
    }
}
