using System.Xml.Linq;

namespace Wayang.Fast.Architecture.Tests;

/// <summary>The tree as files; build output and git's own are not part of it.</summary>
internal static class Repository
{
    private static readonly string[] Skipped = [".git", "out", "bin", "obj", "results", "node_modules", ".vs"];

    public static string Root { get; } = FindRoot();

    public static string FullPath(string relative) => Path.Combine(Root, relative);

    /// <summary>The text of a file that must exist.</summary>
    public static string Read(string relative)
    {
        var path = FullPath(relative);
        Assert.True(File.Exists(path), $"{relative} does not exist, but this rule reads it");
        return File.ReadAllText(path);
    }

    /// <summary>Paths relative to the root, with '/', sorted.</summary>
    public static IReadOnlyList<string> Files(string below = "", params string[] extensions)
    {
        var start = FullPath(below);
        if (!Directory.Exists(start))
        {
            return [];
        }

        return [.. Walk(start)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path => extensions.Length == 0 || extensions.Contains(Path.GetExtension(path), StringComparer.Ordinal))
            .Order(StringComparer.Ordinal)];
    }

    public static IReadOnlyList<string> Projects() => Files("", ".csproj");

    /// <summary>Attributes named Include of an item, as written.</summary>
    public static IReadOnlyList<string> Items(string project, string item) =>
        [.. XDocument.Load(FullPath(project)).Descendants(item).Select(element => (string?)element.Attribute("Include") ?? "")];

    /// <summary>Fails with one line per violation.</summary>
    public static void AssertNone(IEnumerable<string> violations)
    {
        var found = violations.ToList();
        Assert.True(found.Count == 0, $"{found.Count} violation(s):\n" + string.Join('\n', found.Take(100)));
    }

    private static IEnumerable<string> Walk(string folder)
    {
        // In a linked working tree .git is a file.
        foreach (var file in Directory.EnumerateFiles(folder).Where(file => Path.GetFileName(file) != ".git"))
        {
            yield return file;
        }

        foreach (var child in Directory.EnumerateDirectories(folder).Where(child => !Skipped.Contains(Path.GetFileName(child), StringComparer.Ordinal)))
        {
            foreach (var file in Walk(child))
            {
                yield return file;
            }
        }
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Wayang.Fast.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no Wayang.Fast.sln above {AppContext.BaseDirectory}");
    }
}
