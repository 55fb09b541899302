using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Interop;

/// <summary>
/// Mirror of <c>native/include/wayang.h</c>, in its order; ownership rules are numbered there. A test compares the two.
/// Plain imports only: a wait under SuppressGCTransition would stop the collector, and a wake gains 4 ns from it.
/// </summary>
internal static unsafe partial class NativeMethods
{
    public const string Library = "wayang";

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial uint wayang_abi();

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_layout(byte* buffer, int capacity);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_channel_create(NativeGeometry* geometry, NativeChannel* channel, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_channel_unmap(NativeChannel* channel);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_futex_wake(uint* word, int count);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_futex_wait(uint* word, uint expected, int timeout_ms);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_eventfd(int* fd, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_epoll_create(int* fd, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_epoll_add(int epoll, int fd, ulong token, uint events, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_epoll_remove(int epoll, int fd, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_epoll_wait(int epoll, PollEvent* events, int capacity, long timeout_us, int* count, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_packet_pair(int* fds, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_packet_send(int socket, byte* message, int length, int* fds, int fd_count, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_packet_receive(int socket, byte* buffer, int capacity, int* fds, int fd_capacity, int* length, int* fd_count, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_pipe(uint flags, int* fds, NativeError* error);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_sealed_memory(string name, byte* bytes, long length, int* fd, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial long wayang_next_data(int fd, long from, long* begin, long* end);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_sync_directory(string path, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_prefer_large_pages(void* address, long length);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_touch_pages(void* address, long length);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_slice_thread(int thread, long nanoseconds);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_thread_weighs_less(int thread);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_give_way();

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial long wayang_read(int fd, byte* buffer, long length);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial long wayang_write(int fd, byte* buffer, long length);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial void wayang_close(int fd);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_duplicate(int fd, int* copy, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_set_inheritable(int fd, int on, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_pin_thread(int cpu, NativeError* error);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_current_cpu();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int wayang_name_thread(string name, NativeError* error);
}

/// <summary>Registers the resolver before the first import of this assembly is bound.</summary>
internal static class NativeStartup
{
#pragma warning disable CA2255 // The resolver must stand before any import is bound: that is what a module initializer is for.
    [ModuleInitializer]
    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(typeof(NativeMethods).Assembly, NativeLibraryLocator.Resolve);
#pragma warning restore CA2255
}
