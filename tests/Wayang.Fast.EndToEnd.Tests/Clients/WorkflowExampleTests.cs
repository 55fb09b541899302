using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Clients;

/// <summary>The workflows of examples/, with a node of their own and a receiver of webhooks, as the demo shows them.</summary>
[Collection("runtimes")]
[Trait("Promise", "COM6")]
public sealed class WorkflowExampleTests(ITestOutputHelper output)
{
    [Fact(Timeout = 300_000)]
    public async Task Both_workflows_end_well_and_the_end_of_each_task_is_received_signed()
    {
        var modules = Path.Combine(Installation.Root, "out/clients/node/node_modules");
        var withNode = Directory.Exists(Path.Combine(modules, "@grpc/grpc-js"));
        var told = await ExampleProgram.RunAsync(output, "workflow/run.py", Installation.Wayang, modules);
        Assert.Matches("(?m)^workflow.py .* as counted here; the source was there at attempt [2-9][0-9]*; 1 step cancelled$", told);
        Assert.Matches(withNode ? "(?m)^workflow.js .* as counted here; the source was there at attempt [2-9][0-9]*; 1 step cancelled$" : "(?m)^workflow.js   left out", told);
        Assert.Matches("(?m)^receiver.py .* all signed, with the end of each of (11|22) tasks among them; a forged one refused$", told);
    }
}
