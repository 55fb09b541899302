using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Completions;
using Wayang.Fast.Execution.Spawner;

namespace Wayang.Fast.Execution.Tests;

[Trait("Promise", "TR2")]
public sealed class ExitCausesTests
{
    [Theory]
    [InlineData(ExitKind.Code, 0, "", TaskState.Succeeded, CauseType.Exit)]
    [InlineData(ExitKind.Code, 3, "", TaskState.Failed, CauseType.Exit)]
    [InlineData(ExitKind.Signal, 11, "", TaskState.Failed, CauseType.Signal)]
    [InlineData(ExitKind.Signal, 9, "", TaskState.Failed, CauseType.Signal)]
    [InlineData(ExitKind.Signal, 9, "killed: its image ended", TaskState.Failed, CauseType.WorkerLost)]
    [InlineData(ExitKind.OutOfMemory, 0, "", TaskState.Failed, CauseType.OutOfMemory)]
    [InlineData(ExitKind.Violation, 41, "socket", TaskState.Failed, CauseType.SandboxViolation)]
    [InlineData(ExitKind.NotStarted, 22, "clone", TaskState.Failed, CauseType.WorkerLost)]
    [InlineData(ExitKind.Killed, 9, "", TaskState.Failed, CauseType.WorkerLost)]
    internal void Ends_of_commands(ExitKind kind, int value, string text, TaskState state, CauseType cause)
    {
        var end = ExitCauses.Of(new WorkerExit(1, kind, value, 0, 0, text));
        Assert.Equal((state, cause), (end.State, end.Cause.Type));
    }

    [Theory]
    [InlineData(ExitKind.Code, 0, CauseType.Exit)]
    [InlineData(ExitKind.Signal, 11, CauseType.Signal)]
    [InlineData(ExitKind.Signal, 9, CauseType.WorkerLost)]
    [InlineData(ExitKind.Killed, 9, CauseType.WorkerLost)]
    internal void No_end_of_its_worker_is_a_call_s_success(ExitKind kind, int value, CauseType cause)
    {
        var end = ExitCauses.OfCall(new WorkerExit(1, kind, value, 0, 0, string.Empty), violation: null);
        Assert.Equal((TaskState.Failed, cause), (end.State, end.Cause.Type));
    }

    [Fact]
    public void What_the_daemon_found_in_the_channel_wins()
    {
        var end = ExitCauses.OfCall(new WorkerExit(1, ExitKind.Killed, 9, 0, 0, string.Empty), "said READY twice");
        Assert.Equal(CauseType.SandboxViolation, end.Cause.Type);
        Assert.Contains("said READY twice", end.Cause.ToString(), StringComparison.Ordinal);
    }
}
