using Wayang.Fast.Contracts.Tasks;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Python;

/// <summary>Hostile Python ends with a cause, and the honest tasks beside it do not notice.</summary>
[Trait("Promise", "IM3")]
public sealed class HostilePythonTests : IAsyncLifetime
{
    private PythonNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new PythonNode();
        await _node.PutAsync(PythonNode.Source("hostile.py"));
    }

    public ValueTask DisposeAsync()
    {
        _node?.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("forks", "PermissionError", "did it: parent")]
    [InlineData("reads_shadow", "PermissionError", "FileNotFoundError")]
    [InlineData("opens_socket", "OSError", "OSError")]
    [InlineData("signals_others", "PermissionError", "ProcessLookupError")]
    [InlineData("forges_context", "TypeError", "TypeError")]
    [Trait("Promise", "IM2")]
    public async Task Forbidden_deed_is_an_exception_of_the_language(string function, string compute, string standard)
    {
        Assert.Equal(compute, await _node.TextAsync(function));
        Assert.Equal(standard, await _node.TextAsync(function, "", "standard"));
    }

    [Fact]
    public async Task Child_of_a_task_says_nothing_in_its_name()
    {
        var end = await _node.RunAsync("forks", "", "standard");
        Assert.Equal("did it: parent", end.Text);
        Assert.Equal("", end.Out);
    }

    [Theory]
    [InlineData("segfaults", CauseType.Signal)]
    [InlineData("aborts", CauseType.Signal)]
    [InlineData("writes_channel", CauseType.SandboxViolation)]
    [InlineData("traces", CauseType.SandboxViolation)]
    [InlineData("spins", CauseType.Timeout)]
    [InlineData("eats", CauseType.OutOfMemory)]
    [Trait("Promise", "TR4")]
    public async Task Lethal_deed_ends_with_its_cause_and_honest_tasks_go_on(string function, CauseType cause)
    {
        foreach (var profile in PythonNode.Profiles)
        {
            var honest = CheckedAsync(profile);
            var end = await _node.RunAsync(function, "", profile, timeoutMs: function == "spins" ? 300u : 0);
            var seen = cause == CauseType.OutOfMemory && !_node.Node.HasMemoryGroup ? CauseType.Exception : cause;
            Assert.True(end.State is TaskState.Failed or TaskState.TimedOut && end.Cause.Type == seen, $"{function} under {profile}: {end}");
            await honest;
        }
    }

    [Fact]
    [Trait("Promise", "TR3")]
    public async Task Flood_of_output_is_cut_and_the_cut_is_told()
    {
        var end = await _node.RunAsync("floods", "100");
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        Assert.True(end.Stdout.Length < 100 * 65536);
        Assert.Contains("bytes of log were dropped", end.Err, StringComparison.Ordinal);
    }

    private async Task CheckedAsync(string profile)
    {
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal($"{i}", await _node.TextAsync("honest", $"{i}", profile));
        }
    }
}
