using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Wayang.Fast.Architecture.Tests;

/// <summary>What is written for people is true: the policy's reasons, the quick start, the promises.</summary>
public sealed partial class DocumentTests
{
    [Fact]
    [Trait("Promise", "IM2")]
    public void Each_allowed_system_call_has_its_reason()
    {
        var lists = Repository.Files("native/policy", ".syscalls");
        Assert.True(lists.Count > 0, "native/policy has no *.syscalls");
        Assert.True(
            lists.SelectMany(PolicyLines).Count(line => Rule().Match(line.Text).Groups["action"].Value == "allow") > 10,
            "this rule no longer understands the format of *.syscalls");
        Repository.AssertNone(
            from file in lists
            from line in PolicyLines(file)
            let rule = Rule().Match(line.Text)
            where rule.Groups["action"].Value == "allow" && !rule.Groups["reason"].Value.Any(char.IsLetter)
            select $"{file}:{line.Number}: '{line.Text}' is allowed without a reason");
    }

    [Fact]
    [Trait("Promise", "IM2")]
    public void No_system_call_stands_twice_in_a_list()
    {
        Repository.AssertNone(
            from file in Repository.Files("native/policy", ".syscalls")
            from name in PolicyLines(file).Select(line => Rule().Match(line.Text)).Where(rule => rule.Success)
                .GroupBy(rule => rule.Groups["name"].Value, StringComparer.Ordinal)
            where name.Count() > 1
            select $"{file}: {name.Key} stands {name.Count()} times");
    }

    [Fact]
    [Trait("Promise", "IM2")]
    public void The_sandbox_is_documented_with_each_of_its_profiles()
    {
        var text = Repository.Read("README.md") + Repository.Read("src/README.md");
        Assert.Contains("seccomp", text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Landlock", text, StringComparison.OrdinalIgnoreCase);
        Repository.AssertNone(
            from profile in Repository.Files("native/policy", ".profile")
            let name = Path.GetFileNameWithoutExtension(profile)
            where !text.Contains(name, StringComparison.Ordinal)
            select $"the profile {name} is described neither in README.md nor in src/README.md");
    }

    [Fact]
    public void The_quick_start_names_commands_that_exist()
    {
        var help = Run("--help");
        var commands = QuickStart().Matches(Repository.Read("README.md")).Select(match => match.Groups["command"].Value).Distinct(StringComparer.Ordinal).ToList();
        Assert.True(commands.Count > 0, "README.md names no ./build.sh command");
        Repository.AssertNone(
            from command in commands
            where !help.Contains("\n  " + command + " ", StringComparison.Ordinal) && command != "--help"
            select $"README.md says './build.sh {command}', which './build.sh --help' does not know");
    }

    [Fact]
    public void The_promises_name_tests_that_exist()
    {
        var classes = Repository.Files("tests", ".cs").Select(file => Path.GetFileNameWithoutExtension(file)).ToHashSet(StringComparer.Ordinal);
        var native = string.Concat(
            from file in Repository.Files("tests/native")
            where Path.GetFileName(file) == "CMakeLists.txt"
            select Repository.Read(file));
        var readme = Repository.Read("README.md");
        var table = readme[readme.IndexOf("## Promises", StringComparison.Ordinal)..readme.IndexOf("## Honest limits", StringComparison.Ordinal)];
        var rows = table.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1).ToList();
        Assert.True(rows.Count >= 12, "the table of promises has lost its rows");
        Repository.AssertNone(
            from row in rows
            let names = TestName().Matches(row.Split('|')[2]).Select(match => match.Groups["name"].Value).ToList()
            from fault in names.Where(name => !IsTest(name)).Select(name => $"{row.Split('|')[1].Trim()}: no test is called {name}")
                .Concat(names.Count == 0 ? [$"{row.Split('|')[1].Trim()}: no test"] : [])
            select fault);

        // A room of native tests may make its names of a list.
        bool IsTest(string name) => classes.Contains(name) || native.Contains("NAME " + name + " ", StringComparison.Ordinal)
            || (native.Contains("NAME " + name.Split('.')[0] + ".${name} ", StringComparison.Ordinal) && native.Contains(name.Split('.')[^1], StringComparison.Ordinal));
    }

    [Fact]
    public void Each_command_of_the_help_is_dispatched()
    {
        var script = Repository.Read("build.sh");
        Repository.AssertNone(
            from string command in new[] { "deps", "build", "demo", "test", "perf", "run", "clean" }
            where !Regex.IsMatch(script, $@"^\s*(?:[\w-]+ \| )*{command}(?: \| [\w-]+)*\)", RegexOptions.Multiline, TimeSpan.FromSeconds(10))
            select $"build.sh does not dispatch {command}");
    }

    [Fact]
    public void The_tree_says_nothing_of_private_machines()
    {
        // Composed, so that this file does not name them either.
        string[] words =
        [
            "/" + "work/", "/" + "Users/", "/" + "home/", "npm" + "js", "nuget.org" + "/v3", "art" + "ifactory", "git" + "ea", "host." + "docker",
            "clau" + "de", "anth" + "ropic", "open" + "ai", "chat" + "gpt", "copi" + "lot",
        ];
        Repository.AssertNone(
            from file in Repository.Files()
            where new FileInfo(Repository.FullPath(file)).Length < 4_000_000
            let text = Repository.Read(file)
            from word in words
            where text.Contains(word, StringComparison.OrdinalIgnoreCase)
            select $"{file} contains '{word}'");
    }

    [Fact]
    public void The_licence_is_Apache_2()
    {
        var licence = Repository.Read("LICENSE");
        Assert.Contains("Apache License", licence, StringComparison.Ordinal);
        Assert.Contains("Version 2.0, January 2004", licence, StringComparison.Ordinal);
    }

    private static IEnumerable<NumberedLine> PolicyLines(string file) =>
        Repository.Read(file).Split('\n')
            .Select((line, index) => new NumberedLine(index + 1, line.Trim()))
            .Where(line => line.Text.Length > 0 && line.Text[0] != '#');

    private static string Run(string argument)
    {
        var start = new ProcessStartInfo(Repository.FullPath("build.sh"), [argument]) { RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = "/" };
        using var process = Process.Start(start) ?? throw new InvalidOperationException("build.sh did not start");
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return text;
    }

    /// <summary>A call may be marked "?": the kernel or architecture may lack it.</summary>
    [GeneratedRegex(@"^(?<action>allow|notify|refuse|E[A-Z]+)\s+(?<name>[a-z_][a-z0-9_]*)\??(?:\s+if\s+\S+(?:\s+else\s+\w+)?)?(?<reason>\s.*)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Rule();

    [GeneratedRegex(@"`(?<name>[a-z]+(?:\.[a-z_]+)+|[A-Z]\w*Tests)`", RegexOptions.ExplicitCapture)]
    private static partial Regex TestName();

    [GeneratedRegex(@"\./build\.sh\s+(?<command>[a-z-]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex QuickStart();
}
