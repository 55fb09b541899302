namespace Wayang.Fast.Host.Tests;

internal static class Repository
{
    /// <summary>The folder of the solution, above the test's program.</summary>
    public static string Root { get; } = Find();

    private static string Find()
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
