namespace Wayang.Fast.Gateway.Tests.Doors;

/// <summary>Where the sources stand, for tests that read documents.</summary>
internal static class RepositoryRoot
{
    public static string Find()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Wayang.Fast.sln")))
        {
            directory = directory.Parent ?? throw new InvalidOperationException("not inside the repository");
        }

        return directory.FullName;
    }
}
