using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Wayang.Fast.Interop;

/// <summary>Shape of a worker's channel; bounds as in <see cref="ChannelLayout"/>, checked when it is created.</summary>
public sealed record ChannelGeometry
{
    /// <summary>Both rings stay in either processor's first cache: a round trip takes half as long as with 256.</summary>
    public const int DefaultSlots = 64;

    /// <summary>A power of two, 8 to 4096.</summary>
    public int RequestSlots { get; init; } = DefaultSlots;

    /// <summary>A multiple of 4096, up to 64 MiB.</summary>
    public int RequestArenaBytes { get; init; } = 262144;

    public int CompletionSlots { get; init; } = DefaultSlots;

    public int CompletionArenaBytes { get; init; } = 262144;

    /// <summary>Pauses that the worker spins before it sleeps; <see cref="NeverSleep"/> keeps it spinning.</summary>
    public int WorkerSpin { get; init; }

    /// <summary>Bytes of one input or output.</summary>
    public long MaxPayload { get; init; } = 64 << 20;

    /// <summary>Of this worker; never reused.</summary>
    public ulong Epoch { get; init; }

    public const int NeverSleep = -1;

    /// <summary>Slots of a ring for calls in flight that never meet a full one, however late the heads are told.</summary>
    public static int SlotsFor(int inFlight) =>
        (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(DefaultSlots, inFlight + ChannelLayout.HeadBatch));
}

/// <summary>
/// The two shared memory files of one worker and its doorbell. Dispose only when neither its <see cref="RequestWriter"/> nor
/// its <see cref="CompletionReader"/> will be called again: they read and write the mappings without a check.
/// </summary>
public sealed unsafe class ChannelMemory : IDisposable
{
    private readonly MappingHandle _mapping;
    private readonly DescriptorHandle _doorbell;
    private DescriptorHandle? _daemonFile;
    private DescriptorHandle? _workerFile;

    private ChannelMemory(NativeChannel native, ChannelGeometry geometry)
    {
        _mapping = new MappingHandle(native);
        _daemonFile = new DescriptorHandle(native.DFile);
        _workerFile = new DescriptorHandle(native.WFile);
        _doorbell = new DescriptorHandle(native.Doorbell);
        Geometry = geometry;
    }

    public ChannelGeometry Geometry { get; }

    /// <summary>Descriptor of D; -1 after <see cref="CloseTransferred"/>.</summary>
    public int DaemonFile => _daemonFile?.Descriptor ?? -1;

    /// <summary>Descriptor of W; -1 after <see cref="CloseTransferred"/>.</summary>
    public int WorkerFile => _workerFile?.Descriptor ?? -1;

    /// <summary>The worker's eventfd: register it edge-triggered and never read it.</summary>
    public int Doorbell => _doorbell.Descriptor;

    internal byte* D => _mapping.Native.D;

    internal byte* W => _mapping.Native.W;

    /// <exception cref="NativeException">The geometry is out of bounds, or the system has no memory or descriptors left.</exception>
    public static ChannelMemory Create(ChannelGeometry geometry)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        var native = new NativeGeometry
        {
            RequestSlots = (uint)geometry.RequestSlots,
            RequestArenaBytes = (uint)geometry.RequestArenaBytes,
            CompletionSlots = (uint)geometry.CompletionSlots,
            CompletionArenaBytes = (uint)geometry.CompletionArenaBytes,
            WorkerSpin = (uint)geometry.WorkerSpin,
            MaxPayload = (ulong)geometry.MaxPayload,
            Epoch = geometry.Epoch,
        };
        NativeChannel channel;
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_channel_create(&native, &channel, &error), &error);
        return new ChannelMemory(channel, geometry);
    }

    /// <summary>Its worker is to tell what each call cost. Before it is sent; indices from <see cref="ChannelLayout.MaxFacts"/> on have no place for it.</summary>
    public void MeasureCalls() => *(uint*)(D + ChannelLayout.OffsetMeasures) = 1;

    /// <summary>Most bytes of a state that its calls may save; 0: none. The daemon's own word, told to the worker before it is sent.</summary>
    public int StateBytes
    {
        get => (int)Math.Min(*(uint*)(D + ChannelLayout.OffsetStateBytes), (ulong)Geometry.MaxPayload);
        set => *(uint*)(D + ChannelLayout.OffsetStateBytes) = (uint)value;
    }

    /// <summary>Closes both memory files once they were sent: the mappings stay. A channel that is copied later is copied faster with them.</summary>
    public void CloseTransferred()
    {
        Interlocked.Exchange(ref _daemonFile, null)?.Dispose();
        Interlocked.Exchange(ref _workerFile, null)?.Dispose();
    }

    /// <summary>A copy of what the daemon wrote: header, requests, arena.</summary>
    public ChannelSide CopyDaemonSide() => Copy(DaemonFile, D, Bytes(Geometry.RequestSlots, Geometry.RequestArenaBytes));

    /// <summary>A copy of what the worker wrote, which must stand still.</summary>
    public ChannelSide CopyWorkerSide() => Copy(WorkerFile, W, Bytes(Geometry.CompletionSlots, Geometry.CompletionArenaBytes));

    /// <summary>Makes this channel a copy of another one. Fresh from <see cref="Create"/>, before anybody reads or writes it.</summary>
    /// <returns>False: the copies are of another geometry.</returns>
    /// <exception cref="IOException">The worker's file cannot be written.</exception>
    public bool TryFill(ChannelSide daemonSide, ChannelSide workerSide)
    {
        ArgumentNullException.ThrowIfNull(daemonSide);
        ArgumentNullException.ThrowIfNull(workerSide);
        if (daemonSide.Length != Bytes(Geometry.RequestSlots, Geometry.RequestArenaBytes)
            || workerSide.Length != Bytes(Geometry.CompletionSlots, Geometry.CompletionArenaBytes))
        {
            return false;
        }

        foreach (var (offset, bytes) in daemonSide.Runs)
        {
            bytes.Span.CopyTo(new Span<byte>(D, daemonSide.Length)[offset..]);
        }

        using var file = new SafeFileHandle(WorkerFile, ownsHandle: false); // its mapping here is read-only
        foreach (var (offset, bytes) in workerSide.Runs)
        {
            RandomAccess.Write(file, bytes.Span, offset);
        }

        return true;
    }

    private static ChannelSide Copy(int descriptor, byte* mapping, int length)
    {
        if (descriptor < 0)
        {
            return ChannelSide.Of(new ReadOnlySpan<byte>(mapping, length));
        }

        using var file = new SafeFileHandle(descriptor, ownsHandle: false);
        return ChannelSide.Of(file, length);
    }

    private static int Bytes(int slots, int arena) => (int)(ChannelLayout.HeaderBytes + ChannelLayout.RingBytes(slots) + arena);

    public void Dispose()
    {
        CloseTransferred();
        _doorbell.Dispose();
        _mapping.Dispose();
    }

    /// <summary>Owns both mappings.</summary>
    private sealed class MappingHandle : SafeHandle
    {
        private NativeChannel _native;

        public MappingHandle(NativeChannel native)
            : base(0, ownsHandle: true)
        {
            _native = native;
            SetHandle((nint)native.D);
        }

        public override bool IsInvalid => handle == 0;

        public NativeChannel Native => _native;

        protected override bool ReleaseHandle()
        {
            fixed (NativeChannel* channel = &_native)
            {
                NativeMethods.wayang_channel_unmap(channel);
            }

            return true;
        }
    }
}
