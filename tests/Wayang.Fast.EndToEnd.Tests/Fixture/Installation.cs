namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>The programs under test, as they were built in this tree.</summary>
internal static class Installation
{
    /// <summary>The folder of the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The source tree.</summary>
    public static string Tree => Root;

    public static string NativeDirectory { get; } = Path.Combine(Root, "out/native/release/stage");

    public static string Keeper { get; } = Path.Combine(NativeDirectory, "wayang-keeper");

    public static string Wayang { get; } = Path.Combine(Root, "out/managed/bin/Wayang.Fast.Host/release/wayang");

    public static string Orphanage { get; } = Path.Combine(Root, "out/native/release/tests/orphanage");

    public static string SlowPlugin { get; } = Path.Combine(Root, "out/native/release/tests/plugins/slow_plugin.so");

    public static string PowerLoss { get; } = Path.Combine(Root, "out/native/release/tests/powerloss.so");

    public static bool IsRoot { get; } = string.Equals(Environment.UserName, "root", StringComparison.Ordinal);

    /// <summary>Null when everything is there, else what to do.</summary>
    public static string? Missing { get; } =
        new[] { Keeper, Wayang, Orphanage, SlowPlugin }.FirstOrDefault(static p => !File.Exists(p)) is { } path
            ? $"{path} does not exist: build first with './build.sh build'"
            : null;

    /// <summary>Null when another user can reach the programs, else which directory is closed.</summary>
    public static string? ClosedToOthers { get; } = FindClosed();

    private static string? FindClosed()
    {
        for (var directory = new DirectoryInfo(NativeDirectory); directory is not null; directory = directory.Parent)
        {
            if (directory.Exists && !directory.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                return $"an unprivileged user cannot reach {NativeDirectory}: {directory.FullName} is closed";
            }
        }

        return null;
    }

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Wayang.Fast.sln")))
            {
                return directory.FullName;
            }
        }

        throw new InvalidOperationException("Wayang.Fast.sln lies in no folder above the tests.");
    }
}
