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

    [GeneratedRegex(@"\./build\.sh\s+(?<command>[a-z-]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex QuickStart();
}
