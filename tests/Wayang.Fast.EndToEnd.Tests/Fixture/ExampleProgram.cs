using System.Diagnostics;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>A Python program of examples/, run as its reader would.</summary>
internal static class ExampleProgram
{
    private const string Python = "/usr/bin/python3";

    /// <summary>What it says, once it has ended well; the test is skipped where there is nothing to run it with.</summary>
    public static async Task<string> RunAsync(ITestOutputHelper output, string script, params string[] arguments)
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not there");
        var start = new ProcessStartInfo(Python, [Path.Combine(Installation.Root, "examples", script), .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var told = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        output.WriteLine(told);
        Assert.True(process.ExitCode == 0, $"{told}\n{await errors}");
        return told;
    }
}
