using Wayang.Fast.Interop;

namespace Wayang.Fast.EndToEnd.Tests.InProcess;

/// <summary>Where the build put what the tests need.</summary>
internal static class Plugins
{
    /// <summary>The folder of the native programs.</summary>
    public static string Stage { get; } = NativeLibraryLocator.FindFolder()
        ?? throw new InvalidOperationException("the native programs are not built: run ./build.sh build");

    /// <summary>Functions that do what they are asked.</summary>
    public static byte[] Good => Read("test_plugin.so");

    /// <summary>Functions that do harm.</summary>
    public static byte[] Hostile => Read("hostile_worker.so");

    /// <summary>The file of <see cref="Good"/>, for programs of other languages.</summary>
    public static string GoodPath => PathOf("test_plugin.so");

    private static byte[] Read(string name) => File.ReadAllBytes(PathOf(name));

    private static string PathOf(string name) => Path.GetFullPath(Path.Combine(Stage, "..", "tests", "plugins", name));
}
