using System.Reflection;
using System.Runtime.InteropServices;

namespace Wayang.Fast.Interop;

/// <summary>
/// Finds libwayang.so: the folder in WAYANG_NATIVE, beside the program, in the installation's <c>native</c> folder, then in the
/// build tree above the program. The ABI version is checked once, when the library is loaded.
/// </summary>
public static class NativeLibraryLocator
{
    private const string FileName = "libwayang.so";
    private const uint ExpectedAbi = 1;

    private static readonly Lock Gate = new();
    private static nint _handle;

    /// <summary>The folder that holds the native programs and libwayang.so, or null when it is nowhere.</summary>
    public static string? FindFolder()
    {
        foreach (string folder in Candidates())
        {
            if (File.Exists(Path.Combine(folder, FileName)))
            {
                return folder;
            }
        }

        return null;
    }

    internal static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (!string.Equals(name, NativeMethods.Library, StringComparison.Ordinal))
        {
            return 0;
        }

        lock (Gate)
        {
            if (_handle == 0)
            {
                _handle = Load();
            }

            return _handle;
        }
    }

    private static unsafe nint Load()
    {
        string folder = FindFolder()
            ?? throw new DllNotFoundException($"{FileName} was not found: set WAYANG_NATIVE to its folder, or build it with ./build.sh build");
        nint handle = NativeLibrary.Load(Path.Combine(folder, FileName));
        var abi = (delegate* unmanaged<uint>)NativeLibrary.GetExport(handle, "wayang_abi");
        uint found = abi();
        return found == ExpectedAbi
            ? handle
            : throw new DllNotFoundException($"{FileName} in {folder} has ABI {found}; this program needs {ExpectedAbi}");
    }

    private static IEnumerable<string> Candidates()
    {
        string? configured = Environment.GetEnvironmentVariable("WAYANG_NATIVE");
        if (!string.IsNullOrEmpty(configured))
        {
            yield return configured;
        }

        string start = AppContext.BaseDirectory;
        yield return start;
        yield return Path.Combine(start, "..", "native");
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, "out", "native", "release", "stage");
        }
    }
}
