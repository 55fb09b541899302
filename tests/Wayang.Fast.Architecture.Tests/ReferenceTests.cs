namespace Wayang.Fast.Architecture.Tests;

/// <summary>Who may know whom: a project exists to forbid a dependency.</summary>
public sealed class ReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Contracts"] = [],
        ["Interop"] = [],
        ["Core"] = ["Contracts"],
        ["Client"] = ["Contracts"],
        ["Gateway"] = ["Core", "Contracts"],
        ["Cluster"] = ["Core", "Contracts", "Client"],
        ["Plugins"] = ["Core", "Contracts"],
        ["Ledger"] = ["Core", "Contracts"],
        ["Execution"] = ["Core", "Contracts", "Interop"],
        ["Inference"] = ["Core", "Contracts", "Interop"],
        ["Worker"] = ["Contracts", "Interop"],
        ["Host"] = ["Contracts", "Interop", "Core", "Client", "Gateway", "Cluster", "Plugins", "Execution", "Inference", "Ledger"],
    };

    /// <summary>Rooms that stand on the base class library alone.</summary>
    private static readonly string[] WithoutPackages = ["Contracts", "Interop", "Core", "Cluster", "Execution"]; // the client takes what gRPC needs, and nothing else

    [Fact]
    public void Projects_reference_only_what_the_design_allows()
    {
        Repository.AssertNone(
            from project in Sources()
            from reference in Repository.Items(project, "ProjectReference")
            let target = Room(reference)
            where !Allowed.TryGetValue(Room(project), out var allowed) || !allowed.Contains(target, StringComparer.Ordinal)
            select $"{Room(project)} must not reference {target}");
    }

    [Fact]
    public void Each_source_project_has_its_rule()
    {
        Repository.AssertNone(
            from project in Sources()
            where !Allowed.ContainsKey(Room(project))
            select $"{project}: a new project needs a line in the table of allowed references");
    }

    [Fact]
    public void Inner_rooms_take_no_packages()
    {
        Repository.AssertNone(
            from project in Sources()
            where WithoutPackages.Contains(Room(project), StringComparer.Ordinal)
            from package in Repository.Items(project, "PackageReference")
            select $"{Room(project)} takes the package {package}");
    }

    [Fact]
    public void The_database_stays_in_the_ledger()
    {
        Repository.AssertNone(
            from project in Sources()
            where Room(project) != "Ledger"
            from package in Repository.Items(project, "PackageReference")
            where package.Contains("Sqlite", StringComparison.OrdinalIgnoreCase)
            select $"{Room(project)} takes the package {package}");
    }

    [Fact]
    public void Web_framework_stays_in_Gateway_and_Host()
    {
        Repository.AssertNone(
            from project in Sources()
            where Room(project) is not ("Gateway" or "Host")
            from framework in Repository.Items(project, "FrameworkReference")
            select $"{Room(project)} references {framework}");
    }

    [Fact]
    public void Versions_of_packages_are_central()
    {
        Repository.AssertNone(
            from project in Repository.Projects()
            where Repository.Read(project).Contains("PackageReference", StringComparison.Ordinal)
            from line in Repository.Read(project).Split('\n')
            where line.Contains("<PackageReference", StringComparison.Ordinal) && line.Contains("Version=", StringComparison.Ordinal)
            select $"{project}: {line.Trim()}");
    }

    [Fact]
    public void Each_project_is_in_the_solution()
    {
        var solution = Repository.Read("Wayang.Fast.sln");
        Repository.AssertNone(
            from project in Repository.Projects()
            where !solution.Contains(project.Replace('/', '\\'), StringComparison.Ordinal)
            select $"{project} is not in Wayang.Fast.sln");
    }

    [Fact]
    public void Core_is_pure()
    {
        string[] impure =
        [
            "System.IO", "System.Net", "File.", "Socket(", "Process.", "Console.", "DateTime.Now", "DateTime.UtcNow",
            "DateTimeOffset.Now", "DateTimeOffset.UtcNow", "Environment.TickCount", "Stopwatch.", "Thread.Sleep", "Task.Delay",
        ];
        Repository.AssertNone(
            from file in Repository.Files("src/Wayang.Fast.Core", ".cs")
            from line in Text.CodeLines(Repository.Read(file))
            from word in impure
            where Text.HasWord(line.Text, word)
            select $"{file}:{line.Number}: {word} in Core, which does no input or output and reads no clock but its TimeProvider");
    }

    private static IEnumerable<string> Sources() => Repository.Files("src", ".csproj");

    private static string Room(string project) =>
        Path.GetFileNameWithoutExtension(project.Replace('\\', '/')).Replace("Wayang.Fast.", "", StringComparison.Ordinal);
}
