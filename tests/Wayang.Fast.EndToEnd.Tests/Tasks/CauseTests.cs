using System.Text;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Tasks;

/// <summary>Every way to end, with its cause.</summary>
[Trait("Promise", "TR4")]
public sealed class CauseTests : IAsyncLifetime
{
    private LiveNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = new LiveNode();
        await _node.PutAsync("good", Plugins.Good);
        await _node.PutAsync("hostile", Plugins.Hostile);
    }

    public ValueTask DisposeAsync()
    {
        _node.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("good", "noop", "", TaskState.Succeeded, CauseType.Exit, 0)]
    [InlineData("good", "crash", "", TaskState.Failed, CauseType.Signal, 11)]
    [InlineData("good", "abort", "", TaskState.Failed, CauseType.Signal, 6)]
    [InlineData("good", "plain_failure", "", TaskState.Failed, CauseType.Exception, 0)]
    [InlineData("good", "typed_error", "why", TaskState.Failed, CauseType.Exception, 0)]
    [InlineData("hostile", "exit_with", "0", TaskState.Failed, CauseType.Exit, 0)]
    [InlineData("hostile", "exit_with", "7", TaskState.Failed, CauseType.Exit, 7)]
    [InlineData("hostile", "eat_memory", "", TaskState.Failed, CauseType.OutOfMemory, 0)]
    public async Task Call_ends_with_its_cause(string image, string function, string input, TaskState state, CauseType cause, int value)
    {
        foreach (var profile in (string[])["compute", "standard"])
        {
            var end = await _node.CallAsync(await _node.FunctionAsync(image, function, profile: profile), Encoding.UTF8.GetBytes(input));
            Assert.True(end.State == state && IsCause(end.Cause.Type, cause) && end.Cause.Value == value, $"{function} under {profile}: {end}");
            if (function == "typed_error")
            {
                Assert.Equal("bad_input: why", end.Cause.Detail);
                Assert.Empty(end.Output);
            }
        }
    }

    [Theory]
    [InlineData("ptrace")]
    [InlineData("mount")]
    [InlineData("unshare")]
    [InlineData("bpf")]
    [InlineData("setns")]
    [InlineData("process_vm_readv")]
    [InlineData("userfaultfd")]
    [Trait("Promise", "IM2")]
    public async Task Dangerous_system_call_is_a_violation_that_names_it(string name)
    {
        foreach (var profile in (string[])["compute", "standard"])
        {
            var end = await _node.CallAsync(await _node.FunctionAsync("hostile", "dangerous", profile: profile), Encoding.UTF8.GetBytes(name));
            Assert.True(end is { State: TaskState.Failed, Cause.Type: CauseType.SandboxViolation }, $"{profile}: {end}");
            Assert.Contains(name, end.Cause.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("open_socket")]
    [InlineData("start_child")]
    [Trait("Promise", "IM2")]
    public async Task Harmless_probe_is_refused_and_the_call_goes_on(string function)
    {
        var end = await _node.CallAsync(await _node.FunctionAsync("hostile", function));
        Assert.True(end.State == TaskState.Succeeded, end.ToString());
        Assert.All(Hostile.DescriptorTests.Parse(end.Text).Values, static error => Assert.NotEqual(0, error));
    }

    [Theory]
    [InlineData("exit 0", TaskState.Succeeded, CauseType.Exit, 0)]
    [InlineData("exit 3", TaskState.Failed, CauseType.Exit, 3)]
    [InlineData("kill -SEGV $$", TaskState.Failed, CauseType.Signal, 11)]
    [InlineData("kill -ABRT $$", TaskState.Failed, CauseType.Signal, 6)]
    [InlineData("kill -KILL $$", TaskState.Failed, CauseType.Signal, 9)]
    [InlineData("unshare -r true", TaskState.Failed, CauseType.SandboxViolation, -1)]
    [InlineData("exec tail /dev/zero", TaskState.Failed, CauseType.OutOfMemory, 0)]
    public async Task Command_ends_with_its_cause(string script, TaskState state, CauseType cause, int value)
    {
        var end = await _node.ShellAsync(script);
        Assert.True(end.State == state && IsCause(end.Cause.Type, cause) && (value < 0 || cause == CauseType.OutOfMemory || end.Cause.Value == value), $"{script}: {end}");
    }

    [Fact]
    public async Task End_tells_memory_and_processor_time()
    {
        var end = await _node.ShellAsync("head -c 67108864 /dev/zero | tail -c 67108864 | wc -c");
        Assert.Equal("67108864\n", end.Out);
        Assert.True(end.CpuMicroseconds > 0);
        if (_node.HasMemoryGroup)
        {
            Assert.InRange(end.PeakMemoryBytes, 64UL << 20, 1UL << 30);
        }
    }

    [Fact]
    public async Task Missing_program_exits_127_and_says_why()
    {
        var end = await _node.ExecAsync(["no-such-program"]);
        Assert.True(end is { State: TaskState.Failed, Cause: { Type: CauseType.Exit, Value: 127 } }, end.ToString());
        Assert.Contains("no-such-program", end.Err, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Endless_call_times_out_and_a_fresh_worker_serves()
    {
        var end = await _node.CallAsync(await _node.FunctionAsync("good", "endless"), timeoutMs: 100);
        Assert.True(end is { State: TaskState.TimedOut, Cause.Type: CauseType.Timeout }, end.ToString());
        Assert.Equal(TaskState.Succeeded, (await _node.CallAsync(await _node.FunctionAsync("good", "noop"))).State);
    }

    [Theory]
    [InlineData("while :; do :; done")]
    [InlineData("trap '' TERM; while :; do sleep 1; done")]
    [Trait("Promise", "TR2")]
    public async Task Endless_command_times_out_also_when_it_ignores_the_request(string script)
    {
        var end = await _node.ShellAsync(script, timeoutMs: 100);
        Assert.True(end is { State: TaskState.TimedOut, Cause.Type: CauseType.Timeout }, end.ToString());
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Cancelled_call_stops_by_itself_or_by_force()
    {
        foreach (var function in (string[])["wait_cancelled", "wait_for_ever"])
        {
            var id = _node.Begin(await _node.FunctionAsync("hostile", function), [], out var waiter);
            await LiveNode.UntilAsync(() => _node.StateOf(id) == TaskState.Running, "it runs");
            _node.Cancel(id);
            _node.Cancel(id);
            var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
            Assert.True(end is { State: TaskState.Cancelled, Cause.Type: CauseType.Cancelled }, $"{function}: {end}");
        }
    }

    [Theory]
    [InlineData("sleep 600")]
    [InlineData("trap '' TERM; while :; do sleep 1; done")]
    [Trait("Promise", "TR2")]
    public async Task Cancelled_command_ends_also_when_it_ignores_the_request(string script)
    {
        var id = _node.Begin(_node.Command(), [], out var waiter, 60_000, LiveNode.Normal, new CommandLine(["/bin/sh", "-c", $"echo up; {script}"], [], WorkingDirectory: null));
        await LiveNode.UntilAsync(() => _node.ReadSoFar(id, OutputStream.Stdout) == "up\n", "it runs");
        _node.Cancel(id);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.True(end is { State: TaskState.Cancelled, Cause.Type: CauseType.Cancelled }, end.ToString());
        Assert.Equal("up\n", end.Out);
    }

    [Fact]
    [Trait("Promise", "TR2")]
    public async Task Command_may_end_in_its_own_way_when_asked()
    {
        var id = _node.Begin(_node.Command(), [], out var waiter, 60_000, LiveNode.Normal, new CommandLine(
            ["/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"], [], WorkingDirectory: null));
        await LiveNode.UntilAsync(() => _node.ReadSoFar(id, OutputStream.Stdout) == "up\n", "it runs");
        _node.Cancel(id);
        var end = await waiter.Ended.WaitAsync(LiveNode.Patience);
        Assert.Equal(TaskState.Cancelled, end.State);
        Assert.Equal("up\nbye\n", end.Out);
    }

    private bool IsCause(CauseType seen, CauseType expected) =>
        seen == expected || (expected == CauseType.OutOfMemory && !_node.HasMemoryGroup && seen is CauseType.Exception or CauseType.Exit);

    [Fact]
    [Trait("Promise", "IM3")]
    [Trait("Promise", "TR2")]
    public async Task Fork_bomb_is_bounded()
    {
        // Its shell reports each refused fork; what runs ends with the command's pid namespace.
        var end = await _node.ShellAsync("bomb() { bomb | bomb & }; bomb; exec sleep 600", timeoutMs: 2_000);
        Assert.True(end.State is TaskState.TimedOut or TaskState.Failed, end.ToString());
        var after = await _node.ShellAsync("echo fine");
        Assert.Equal("fine\n", after.Out);
    }
}
