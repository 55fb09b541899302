using System.Diagnostics;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>The workflows of examples/, with a node of their own and a receiver of webhooks, as the demo shows them.</summary>
[Collection("runtimes")]
[Trait("Promise", "COM6")]
public sealed class WorkflowExampleTests(ITestOutputHelper output)
{
    private const string Python = "/usr/bin/python3";

    [Fact(Timeout = 300_000)]
    public async Task Both_workflows_end_well_and_the_end_of_each_task_is_received_signed()
    {
        Assert.SkipUnless(Installation.Missing is null, Installation.Missing ?? "");
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not there");
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        var withNode = Directory.Exists(Path.Combine(modules, "@grpc/grpc-js"));
        var start = new ProcessStartInfo(Python, [Path.Combine(Installation.Root, "examples/workflow/run.py"), Installation.Wayang, modules])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var told = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        output.WriteLine(told);
        Assert.True(process.ExitCode == 0, $"{told}\n{await errors}");
        Assert.Matches("(?m)^workflow.py .* as counted here; the source was there at attempt [2-9][0-9]*; 1 step cancelled$", told);
        Assert.Matches(withNode ? "(?m)^workflow.js .* as counted here; the source was there at attempt [2-9][0-9]*; 1 step cancelled$" : "(?m)^workflow.js   left out", told);
        Assert.Matches("(?m)^receiver.py .* all signed, with the end of each of (11|22) tasks among them; a forged one refused$", told);
    }
}
