using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>
/// What a call has in the kernel cannot be written down. Each such state, made by a plugin in a running node: the profile does not let it come about, or ends who tries, or the
/// checkpoint is refused by its name and the call goes on to the right answer.
/// </summary>
[Trait("Promise", "PS4")]
public sealed class CheckpointStateTests : CheckpointFixture
{
    private const int Rounds = 100_000_000;
    private const int MostTries = 20;
    private const int NotPermitted = 1;
    private const int NotImplemented = 38;
    private const int NoSuchFamily = 97;

    /// <summary>The call and what the kernel says to it.</summary>
    public static TheoryData<string, int> Denied => new()
    {
        { "thread", NotPermitted }, { "child", NotPermitted }, { "file", NotPermitted }, { "duplicate", NotPermitted }, { "pipe", NotPermitted }, { "memory_file", NotPermitted },
        { "eventfd", NotPermitted }, { "poller", NotPermitted }, { "socket", NoSuchFamily }, { "socket_pair", NoSuchFamily }, { "posix_timer", NotPermitted },
        { "timer_file", NotPermitted }, { "interval_timer", NotPermitted }, { "signal_stack", NotPermitted }, { "shared_mapping", NotPermitted }, { "shared_segment", NotPermitted },
        { "rseq", NotImplemented }, { "robust_list", NotPermitted }, { "timer_slack", NotPermitted }, { "locked", NotPermitted },
        { "locked_mapping", NotPermitted },
    };

    public static TheoryData<string, string> Ending => new() { { "io_uring", "io_uring_setup" }, { "userfaultfd", "userfaultfd" } };

    /// <summary>What the profile lets come about, and the word by which it is refused.</summary>
    public static TheoryData<string, string> Refused => new() { { "guard", "guard" }, { "waiting_signal", "signal" } };

    [Theory]
    [MemberData(nameof(Denied))]
    public async Task What_the_profile_denies_is_not_there_and_the_call_can_be_written_down(string state, int says)
    {
        using var node = await StartAsync();
        var nothing = await AloneAsync(node);
        var (call, refusal) = await AskedForAsync(node, state);
        Assert.Null(refusal);
        await EndAsync(node, call);
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"{says} {nothing}"), Encoding.ASCII.GetString(call.Output));
        await AssertCleanAsync(node);
    }

    [Theory]
    [MemberData(nameof(Ending))]
    public async Task What_the_profile_lists_as_dangerous_ends_the_call_by_its_name(string state, string says)
    {
        using var node = await StartAsync();
        var call = await node.Submit(await StateAsync(node, state), Input(Rounds)).WaitAsync();
        Assert.Equal((TaskState.Failed, CauseType.SandboxViolation, 1), (call.State, call.Cause.Type, call.Times));
        Assert.Contains(says, call.Cause.ToString(), StringComparison.Ordinal);
        await AssertCleanAsync(node);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_comes_about_is_refused_by_its_name_and_the_call_goes_on(string state, string says)
    {
        using var node = await StartAsync();
        var nothing = await AloneAsync(node);
        var (call, refusal) = await AskedForAsync(node, state);
        await EndAsync(node, call);
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        var (made, sum) = Encoding.ASCII.GetString(call.Output).Split(' ') switch { var w => (w[0], w[1]) };
        Assert.Equal(nothing, sum);
        Assert.SkipUnless(made == "0", $"this host cannot make it (errno {made})");
        Assert.Equal(ErrorCode.Conflict, refusal?.Code);
        Assert.Contains(says, refusal!.Message, StringComparison.Ordinal);
        await AssertCleanAsync(node);
    }

    /// <summary>Under a profile that gives threads and files nothing is written down at all.</summary>
    [Fact]
    public async Task A_call_of_a_profile_that_gives_such_states_is_refused_and_goes_on()
    {
        using var node = await StartAsync();
        var nothing = await AloneAsync(node);
        var target = await StateAsync(node, "eventfd", "standard");
        var call = node.Submit(target, Input(Rounds));
        await node.RunsAsync(call);
        var refusal = await CheckpointAsync(node, call);
        Assert.Equal((ErrorCode.Unsupported, "task"), (refusal?.Code, refusal?.Field));
        Assert.Contains("compute", refusal!.Message, StringComparison.Ordinal);
        await call.WaitAsync();
        Assert.Equal((TaskState.Succeeded, $"0 {nothing}"), (call.State, Encoding.ASCII.GetString(call.Output)));
        await AssertCleanAsync(node);
    }

    private static async Task<string> AloneAsync(TestNode node) =>
        Encoding.ASCII.GetString((await node.Submit(await StateAsync(node, "nothing"), Input(Rounds)).WaitAsync()).Output)[2..];

    /// <summary>A call that has tried to make its state and computed when its checkpoint was asked for; on a busy machine some are over before.</summary>
    private static async Task<(Ending Call, OperationError? Refusal)> AskedForAsync(TestNode node, string state)
    {
        for (var tries = 0; ; tries++)
        {
            var call = node.Submit(await StateAsync(node, state), Input(Rounds));
            await TestNode.UntilAsync(() => call.HasEnded || Get(node, call).Progress is not null, () => Describe(node, call));
            var refusal = await CheckpointAsync(node, call);
            var isOver = refusal?.Message is { } words && words.Contains("ended", StringComparison.Ordinal) && !words.Contains("agent", StringComparison.Ordinal);
            if (!isOver || tries == MostTries)
            {
                return (call, refusal);
            }

            await EndAsync(node, call);
            Assert.Equal(TaskState.Succeeded, call.State); // it was only early
        }
    }

    private static async Task<CallTarget> StateAsync(TestNode node, string function, string profile = "compute")
    {
        var plugin = Path.Combine(Path.GetDirectoryName(Installation.TestPlugin)!, "state_plugin.so");
        var upload = new ImageUpload("c", await File.ReadAllBytesAsync(plugin, TestContext.Current.CancellationToken), "states", 0);
        var (image, error) = await node.Tasks.PutImageAsync(upload, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
        CallTarget? target = null;
        await TestNode.UntilAsync(() => TryResolve(node, function, profile, out target), $"{function} under {profile}");
        return target!;
    }

    private static bool TryResolve(TestNode node, string function, string profile, out CallTarget? target) =>
        node.Tasks.Resolve(
            new TargetRequest { Kind = TaskKind.Call, Image = "states"u8, Function = Encoding.UTF8.GetBytes(function), Profile = Encoding.UTF8.GetBytes(profile) }, out target) is null;
}
