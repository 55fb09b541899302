namespace Wayang.Fast.Host.Configuration;

/// <summary>Where the native part of the installation lies, found once per process.</summary>
public sealed record Installation(string NativeDirectory)
{
    public const string NativeVariable = "WAYANG_NATIVE";

    private const string KeeperName = "wayang-keeper";
    private const string StageInTree = "out/native/release/stage";

    public string KeeperPath => Path.Combine(NativeDirectory, KeeperName);

    public const string PolicyVariable = "WAYANG_POLICY";

    /// <summary>The policy is installed beside the programs, unless the starter names another (an operator's, with profiles of theirs).</summary>
    public string PolicyDirectory => Environment.GetEnvironmentVariable(PolicyVariable) is { Length: > 0 } named
        ? Path.GetFullPath(named)
        : Path.Combine(NativeDirectory, "policy");

    /// <summary>Plugins of the demo.</summary>
    public string DemoDirectory => Path.Combine(NativeDirectory, "demo");

    /// <summary>
    /// The environment's word goes first (the keeper sets it for the daemon), then the installation's layout
    /// (bin/ and native/ side by side), then a source tree above the program.
    /// </summary>
    /// <exception cref="ConfigurationException">Nothing was found; the message lists where.</exception>
    public static Installation Find()
    {
        var tried = new List<string>();
        var named = Environment.GetEnvironmentVariable(NativeVariable);
        if (!string.IsNullOrEmpty(named))
        {
            return Holds(named, tried) ? new Installation(Path.GetFullPath(named)) : throw Missing(tried);
        }

        var beside = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "native"));
        if (Holds(beside, tried))
        {
            return new Installation(beside);
        }

        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            var stage = Path.Combine(directory.FullName, StageInTree);
            if (Directory.Exists(stage) && Holds(stage, tried))
            {
                return new Installation(stage);
            }
        }

        throw Missing(tried);
    }

    private static bool Holds(string directory, List<string> tried)
    {
        tried.Add(directory);
        return File.Exists(Path.Combine(directory, KeeperName));
    }

    private static ConfigurationException Missing(List<string> tried) => new(
        $"{KeeperName} was not found in {string.Join(", ", tried)}. Build it with './build.sh build', or set {NativeVariable} to its directory.");
}
