using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Wayang.Fast.Interop;

/// <summary>Plain descriptors. Whoever gets a number owns it until <see cref="Close"/>; all are close-on-exec.</summary>
public static unsafe class Descriptors
{
    public const int WouldBlock = -1;
    public const int BrokenPipe = -2;

    private const long Again = -11;
    private const long Pipe = -32;
    private const long ConnectionReset = -104;

    /// <param name="nonBlockingRead">Who reads does not wait.</param>
    /// <param name="nonBlockingWrite">Who writes does not wait.</param>
    /// <param name="large">It holds a megabyte in place of 64 KiB, where the host lets it.</param>
    /// <exception cref="NativeException">There are no descriptors left.</exception>
    public static (int Read, int Write) CreatePipe(bool nonBlockingRead, bool nonBlockingWrite, bool large = false)
    {
        int* fds = stackalloc int[2];
        NativeError error;
        uint flags = (nonBlockingRead ? 1u : 0u) | (nonBlockingWrite ? 2u : 0u) | (large ? 4u : 0u);
        NativeError.ThrowIfFailed(NativeMethods.wayang_pipe(flags, fds, &error), &error);
        return (fds[0], fds[1]);
    }

    /// <summary>A memory file with these bytes that nobody can change any more.</summary>
    public static int CreateSealedMemory(string name, ReadOnlySpan<byte> content)
    {
        int descriptor;
        NativeError error;
        fixed (byte* bytes = content)
        {
            NativeError.ThrowIfFailed(NativeMethods.wayang_sealed_memory(name, bytes, content.Length, &descriptor, &error), &error);
        }

        return descriptor;
    }

    /// <summary>Writes a directory to its disk: what was made, renamed or removed in it stays so over a loss of power. Blocks.</summary>
    /// <exception cref="NativeException">It is none, or the disk fails.</exception>
    public static void SyncDirectory(string path)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_sync_directory(path, &error), &error);
    }

    /// <summary>The next bytes of a file, from <paramref name="from"/> on, that are no hole. Moves the file's offset.</summary>
    /// <returns>Null: there are none.</returns>
    /// <exception cref="NativeException">It is no file that can tell.</exception>
    public static (long Begin, long End)? NextData(int fd, long from)
    {
        long begin, end;
        var result = NativeMethods.wayang_next_data(fd, from, &begin, &end);
        return result > 0 ? (begin, end) : result == 0 ? null : throw Failure("lseek", result);
    }

    /// <returns>Bytes read, 0 at the end, <see cref="WouldBlock"/>.</returns>
    /// <exception cref="NativeException">Anything else.</exception>
    public static int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            long result = NativeMethods.wayang_read(fd, bytes, buffer.Length);
            return result >= 0 ? (int)result : result == Again ? WouldBlock : throw Failure("read", result);
        }
    }

    /// <returns>Bytes written, <see cref="WouldBlock"/> or <see cref="BrokenPipe"/>.</returns>
    /// <exception cref="NativeException">Anything else.</exception>
    public static int Write(int fd, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            long result = NativeMethods.wayang_write(fd, bytes, buffer.Length);
            return result switch
            {
                >= 0 => (int)result,
                Again => WouldBlock,
                Pipe or ConnectionReset => BrokenPipe,
                _ => throw Failure("write", result),
            };
        }
    }

    public static void Close(int fd)
    {
        if (fd >= 0)
        {
            NativeMethods.wayang_close(fd);
        }
    }

    /// <summary>A second descriptor, owned by the caller, of the same open file.</summary>
    /// <exception cref="NativeException">Out of descriptors, or <paramref name="fd"/> is not open.</exception>
    public static int Duplicate(int fd)
    {
        int copy;
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_duplicate(fd, &copy, &error), &error);
        return copy;
    }

    /// <summary>Lets programs that this process starts inherit the descriptor, or not. All of them: set it for a moment only.</summary>
    public static void SetInheritable(int fd, bool on)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_set_inheritable(fd, on ? 1 : 0, &error), &error);
    }

    private static NativeException Failure(string what, long result) =>
        new(NativeStatus.SystemCall, (int)-result, what, "failed");
}

/// <summary>The processor of the calling thread.</summary>
public static unsafe class Processor
{
    private const int CacheLine = 64;

    /// <summary>
    /// Asks for the cache lines of an object, and of what stands behind it, up to <paramref name="bytes"/>. Waits for nothing, changes
    /// nothing; of no effect where the processor has no such instruction.
    /// </summary>
    public static void Prefetch(object place, int bytes)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        // The object may move while we ask: then lines come that nobody needs.
        var start = (byte*)Unsafe.AsPointer(ref Unsafe.As<Layout>(place).First);
        for (var offset = 0; offset < bytes; offset += CacheLine)
        {
            Sse.Prefetch0(start + offset);
        }
    }

    /// <summary>One look of a loop that waits for another processor: leaves the core to whoever shares it for some tens of cycles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Relax()
    {
        if (X86Base.IsSupported)
        {
            X86Base.Pause();
        }
        else if (ArmBase.IsSupported)
        {
            ArmBase.Yield();
        }
    }

    [SuppressMessage("Performance", "CA1812", Justification = "never made: a view of any object's first field")]
    private sealed class Layout(byte first)
    {
        public byte First = first;
    }

    /// <summary>The processor that runs the calling thread now.</summary>
    public static int Current => NativeMethods.wayang_current_cpu();

    /// <summary>Binds the calling thread to one processor.</summary>
    public static void PinThread(int cpu)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_pin_thread(cpu, &error), &error);
    }

    /// <summary>Names the calling thread for /proc and profilers (15 bytes are kept).</summary>
    public static void NameThread(string name)
    {
        NativeError error;
        NativeError.ThrowIfFailed(NativeMethods.wayang_name_thread(name, &error), &error);
    }
}
