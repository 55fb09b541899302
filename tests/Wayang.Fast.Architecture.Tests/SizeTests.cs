using System.Text.RegularExpressions;

namespace Wayang.Fast.Architecture.Tests;

/// <summary>Files and functions stay small enough to read; names say what a thing is.</summary>
public sealed partial class SizeTests
{
    private const int MaxFileLines = 500;
    private const int MaxFunctionLines = 70;

    [Fact]
    public void Files_have_at_most_500_lines()
    {
        Repository.AssertNone(
            from file in Repository.Files("", ".cs", ".c", ".h", ".sh", ".py")
            let lines = File.ReadLines(Repository.FullPath(file)).Count()
            where lines > MaxFileLines
            select $"{file} has {lines} lines (at most {MaxFileLines})");
    }

    [Fact]
    public void Functions_have_at_most_70_lines()
    {
        // C#: MA0051 says the same at build time.
        Repository.AssertNone(
            from file in Repository.Files("", ".c", ".h", ".sh", ".py")
            from function in FunctionsOf(file)
            where function.Lines > MaxFunctionLines
            select $"{file}:{function.FirstLine}: {function.Name} has {function.Lines} lines (at most {MaxFunctionLines})");
        Assert.Contains("MA0051.maximum_lines_per_method = 70", Repository.Read(".editorconfig"), StringComparison.Ordinal);
    }

    [Fact]
    public void No_type_or_file_is_a_drawer()
    {
        Repository.AssertNone(
            from file in Repository.Files("", ".cs", ".c", ".h", ".py", ".csproj", ".sh")
            where IsDrawer(Path.GetFileNameWithoutExtension(file))
            select $"{file}: Utils, Helper, Manager and Common say nothing");
        Repository.AssertNone(
            from file in Repository.Files("", ".cs")
            from line in Text.CodeLines(Repository.Read(file))
            from Match match in TypeDeclaration().Matches(line.Text)
            where IsDrawer(match.Groups["name"].Value)
            select $"{file}:{line.Number}: {match.Groups["name"].Value}");
    }

    private static IEnumerable<FunctionSpan> FunctionsOf(string file) => Path.GetExtension(file) switch
    {
        ".sh" => Text.ShellFunctions(Repository.Read(file)),
        ".py" => Text.PythonFunctions(Repository.Read(file)),
        _ => Text.CFunctions(Repository.Read(file)),
    };

    private static bool IsDrawer(string name) => Drawer().IsMatch(name);

    [GeneratedRegex(@"\b(?:class|struct|record|interface|enum)\s+(?:struct\s+|class\s+)?(?<name>[A-Za-z_]\w*)", RegexOptions.ExplicitCapture)]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex("(Utils?|Utilities|Helpers?|Manager|Common)([A-Z.]|$)|^(utils?|helpers?|manager|common)([._]|$)|_(utils?|helpers?|manager|common)$", RegexOptions.ExplicitCapture)]
    private static partial Regex Drawer();
}
