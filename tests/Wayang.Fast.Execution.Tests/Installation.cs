using Wayang.Fast.Interop;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Where the tree and its native build lie.</summary>
internal static class Installation
{
    public static string Root { get; } = FindRoot();

    public static string Native { get; } =
        NativeLibraryLocator.FindFolder() ?? throw new InvalidOperationException("the native build is missing: ./build.sh build");

    public static string TestPlugin => Path.Combine(Root, "out", "native", "release", "tests", "plugins", "test_plugin.so");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "native", "spawner", "protocol.h")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("not inside the tree");
    }
}
