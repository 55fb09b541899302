using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace Wayang.Fast.Host.Tests;

/// <summary>The README's commands, as they stand there, given to a shell.</summary>
public sealed partial class QuickStartTests
{
    // A new mount namespace with its own /run: the runtime of whoever runs the tests stays untouched.
    private const string OwnRun = "mount -t tmpfs run /run && exec bash \"$1\"";

    private const string Prologue =
        """
        set -eu
        shopt -s expand_aliases
        trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT

        """;

    private const string UntilServing =
        """
        for turn in $(seq 300); do
          wayang status >/dev/null 2>&1 && break
          sleep 0.1
        done

        """;

    // Each kind of answer once: of the sandbox, of the plugin, of the plugin by way of a runtime that stays.
    private static readonly string[] Expected = ["hello from uid ", " the\n", "0 3 13", "\"max_payload_bytes\""];

    private const string OfPython = "4 different words\n[[\"the\",2]]";

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task Commands_of_the_readme_work_as_written()
    {
        Assert.SkipUnless(File.Exists(Path.Combine(Repository.Root, "out/install/bin/wayang")), "not installed: ./build.sh build");
        var blocks = ShellBlock().Matches(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken))
            .Select(static m => m.Groups["text"].Value).ToList();
        Assert.Equal(4, blocks.Count);
        var hasPython = File.Exists(Path.Combine(Repository.Root, "out/install/native/wayang_python.so"));
        // The demo takes its minute in .ci/run; here would be a second one.
        var script = Prologue + blocks[0].Replace("./build.sh demo\n", "", StringComparison.Ordinal) + (hasPython ? blocks[1] : "")
            + blocks[2] + UntilServing + blocks[3];

        var directory = Directory.CreateTempSubdirectory("wayang-readme-");
        try
        {
            var file = Path.Combine(directory.FullName, "readme.sh");
            await File.WriteAllTextAsync(file, script, TestContext.Current.CancellationToken);
            var (code, output, errors) = await RunAsync(file, directory.FullName);

            Assert.True(code == 0, $"the README's commands ended with {code}:\n{output}\n{errors}");
            Assert.All(hasPython ? [.. Expected, OfPython] : Expected, expected => Assert.Contains(expected, output, StringComparison.Ordinal));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string script, string runtime)
    {
        string[] command = Environment.IsPrivilegedProcess
            ? ["unshare", "--mount", "--propagation", "private", "bash", "-c", OwnRun, "bash", script]
            : ["bash", script];
        var start = new ProcessStartInfo("timeout", ["--kill-after=10", "300", .. command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Repository.Root,
        };
        start.Environment["XDG_RUNTIME_DIR"] = runtime;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await errors);
    }

    [GeneratedRegex("^```sh\n(?<text>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex ShellBlock();
}
