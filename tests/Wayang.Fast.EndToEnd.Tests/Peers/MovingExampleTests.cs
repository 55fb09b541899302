using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Peers;

/// <summary>The computation of examples/ that moves to another node, as the demo shows it.</summary>
[Collection("runtimes")]
[Trait("Promise", "PS2")]
[Trait("Promise", "PS4")]
public sealed class MovingExampleTests(ITestOutputHelper output)
{
    [Fact(Timeout = 300_000)]
    public async Task It_goes_on_at_the_other_node_in_the_middle_of_its_loop_and_its_answer_is_right()
    {
        var told = await ExampleProgram.RunAsync(output, "moving/run.py", Installation.Wayang, Installation.NativeDirectory);
        Assert.SkipWhen(told.StartsWith("left out: ", StringComparison.Ordinal), told.Trim());
        Assert.Matches("(?m) blue  it goes on there, in the middle of its loop: it stood still for [0-9.]+ ms, [0-9,]+ bytes travelled$", told);
        Assert.Matches("(?m) red   still knows of it: running, at blue, step [1-9]", told);
        Assert.Matches("(?m) the same, to the last bit, as computed here without moving$", told);
    }
}
