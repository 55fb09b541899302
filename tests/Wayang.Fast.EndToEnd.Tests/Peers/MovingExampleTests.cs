using System.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>The computation of examples/ that moves to another node, as the demo shows it.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class MovingExampleTests(ITestOutputHelper output)
{
    private const string Python = "/usr/bin/python3";

    [Fact(Timeout = 300_000)]
    public async Task It_goes_on_at_the_other_node_in_the_middle_of_its_loop_and_its_answer_is_right()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not there");
        var start = new ProcessStartInfo(Python, [Path.Combine(Installation.Root, "examples/moving/run.py"), Installation.Wayang, Installation.NativeDirectory])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var told = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        output.WriteLine(told);
        Assert.True(process.ExitCode == 0, $"{told}\n{await errors}");
        Assert.SkipWhen(told.StartsWith("left out: ", StringComparison.Ordinal), told.Trim());
        Assert.Matches("(?m) blue  it goes on there, in the middle of its loop: it stood still for [0-9.]+ ms, [0-9,]+ bytes travelled$", told);
        Assert.Matches("(?m) red   still knows of it: running, at blue, step [1-9]", told);
        Assert.Matches("(?m) the same, to the last bit, as computed here without moving$", told);
    }
}
