using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Execution.Dispatch;

namespace Wayang.Fast.Execution.Tests;

/// <summary>
/// Whatever ends at whatever step of a checkpoint or of a continuation: the call ends once, with the right answer or with what was done to it, nothing is left of it, and
/// the node goes on. Each is tried 5 times, 50 times with WAYANG_TEST_LONG=1, or as often as WAYANG_CHECKPOINT_ROUNDS says.
/// </summary>
[Trait("Promise", "PS4")]
[Trait("Promise", "RA4")]
public sealed class CheckpointFaultTests : CheckpointFixture
{
    private const string Capturing = "live";
    private const string Restoring = "restore";
    private static readonly int s_rounds =
        int.TryParse(Environment.GetEnvironmentVariable("WAYANG_CHECKPOINT_ROUNDS"), NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) ? rounds
        : Environment.GetEnvironmentVariable("WAYANG_TEST_LONG") == "1" ? 50 : 5;

    public enum Blow
    {
        Worker,
        Agent,
        Spawner,
        Cancel,
    }

    public static TheoryData<string, Blow> Captures => [.. Combine(FaultPoint.CaptureUnread, Enum.GetValues<Blow>()), .. Combine(FaultPoint.CaptureUntold, Enum.GetValues<Blow>())];

    public static TheoryData<string, Blow> Continuations =>
    [
        .. Combine(FaultPoint.CheckpointUnread, [Blow.Spawner, Blow.Cancel]), .. Combine(FaultPoint.CheckpointUnfed, Enum.GetValues<Blow>()),
    ];

    public static TheoryData<string> Points =>
        [nameof(FaultPoint.CaptureUnread), nameof(FaultPoint.CaptureUntold), nameof(FaultPoint.CheckpointUnread), nameof(FaultPoint.CheckpointUnfed)];

    [Theory]
    [MemberData(nameof(Captures))]
    public async Task Whatever_ends_while_a_call_is_written_down_ends_it_once(string point, Blow blow)
    {
        using var node = await StartAsync();
        var wanted = (await Submit(node, Resolve(node, "chain"), LongRounds * 8).WaitAsync()).Output;
        for (var round = 0; round < s_rounds; round++)
        {
            await TestNode.UntilAsync(() => !Files().Any()); // of the round before
            var call = Submit(node, Resolve(node, "chain"), LongRounds * 8);
            await BeginsAsync(node, call);
            var asked = await BeginCaptureAsync(node, call, Enum.Parse<FaultPoint>(point));
            if (asked is null)
            {
                continue; // it had just ended
            }

            await StrikeAsync(node, call, blow, Capturing);
            if (blow != Blow.Agent)
            {
                // Its channel is unmapped before the next step is taken.
                await call.WaitAsync();
                await TestNode.UntilAsync(() => node.Runtime.Workers.All().All(static w => w.Capture is null && !w.IsGone));
            }

            node.Runtime.Faults.Disarm(Enum.Parse<FaultPoint>(point));
            var refusal = await asked.WaitAsync(TestNode.Patience);
            Assert.True(blow == Blow.Agent || refusal is not null);
            await EndAsync(node, call);
            Assert.Equal((blow is Blow.Agent ? TaskState.Succeeded : blow is Blow.Cancel ? TaskState.Cancelled : TaskState.Failed, 1), (call.State, call.Times));
            Assert.True(blow != Blow.Agent || wanted.SequenceEqual(call.Output));
        }

        await AssertServesAsync(node);
    }

    [Theory]
    [MemberData(nameof(Continuations))]
    public async Task Whatever_ends_while_a_call_is_continued_loses_nothing_of_it(string point, Blow blow)
    {
        using var node = await StartAsync();
        var wanted = (await Submit(node, Resolve(node, "chain"), LongRounds).WaitAsync()).Output;
        for (var round = 0; round < s_rounds; round++)
        {
            var call = Submit(node, Resolve(node, "chain"), LongRounds);
            await BeginsAsync(node, call);
            if (await CheckpointAsync(node, call) is not null)
            {
                await call.WaitAsync();
                continue; // it had just ended
            }

            await BeginContinuationAsync(node, call, Enum.Parse<FaultPoint>(point));
            await StrikeAsync(node, call, blow, Restoring);
            node.Runtime.Faults.Disarm(Enum.Parse<FaultPoint>(point));
            await EndAsync(node, call);
            Assert.Equal(1, call.Times);
            Assert.True(call.State == TaskState.Succeeded || (blow == Blow.Cancel && call.State == TaskState.Cancelled), $"{call.State} {call.Cause}");
            Assert.True(call.State != TaskState.Succeeded || wanted.SequenceEqual(call.Output));
        }

        await AssertServesAsync(node);
    }

    [Theory]
    [MemberData(nameof(Points))]
    public async Task A_node_that_stops_at_any_step_ends_the_call_and_leaves_nothing_behind(string point)
    {
        var at = Enum.Parse<FaultPoint>(point);
        for (var round = 0; round < Math.Min(s_rounds, 20); round++)
        {
            using (var node = await StartAsync())
            {
                var call = Submit(node, Resolve(node, "chain"), LongRounds * 16);
                await BeginsAsync(node, call);
                if (at is FaultPoint.CaptureUnread or FaultPoint.CaptureUntold)
                {
                    var asked = await BeginCaptureAsync(node, call, at);
                    node.Stop();
                    var refusal = await asked!.WaitAsync(TestNode.Patience);
                    Assert.True(refusal?.Code == ErrorCode.Unavailable || (at == FaultPoint.CaptureUntold && refusal is null), refusal?.Message);
                }
                else
                {
                    Assert.Null(await CheckpointAsync(node, call));
                    await BeginContinuationAsync(node, call, at);
                    node.Stop();
                }

                await call.WaitAsync();
                Assert.Equal((TaskState.Failed, CauseType.Shutdown, 1), (call.State, call.Cause.Type, call.Times));
            }

            using var next = await StartAsync();
            await AssertCleanAsync(next);
        }
    }

    [Fact]
    public async Task A_time_that_runs_out_at_any_instant_of_it_ends_the_call_once()
    {
        using var node = await StartAsync();
        var chain = Resolve(node, "chain");
        var random = new Random(31);
        for (var round = 0; round < s_rounds * 4; round++)
        {
            var call = node.Submit(chain, Input(4_000_000_000), timeoutMs: (uint)random.Next(1, 60));
            await Task.Delay(random.Next(40), TestContext.Current.CancellationToken);
            await CheckpointAsync(node, call);
            await EndAsync(node, call);
            Assert.Equal((TaskState.TimedOut, 1), (call.State, call.Times));
        }

        await AssertServesAsync(node);
    }

    [Fact]
    public async Task A_capture_that_is_given_up_lets_its_worker_go_on_and_the_next_one_comes_through()
    {
        using var node = await StartAsync();
        var wanted = (await Submit(node, Resolve(node, "chain"), LongRounds * 16).WaitAsync()).Output;
        Directory.CreateDirectory(CheckpointDirectory);
        await File.WriteAllTextAsync(Path.Combine(CheckpointDirectory, "node.key"), "no key", TestContext.Current.CancellationToken);
        var call = Submit(node, Resolve(node, "chain"), LongRounds * 16);
        await BeginsAsync(node, call);
        Assert.Contains("node.key", (await CheckpointAsync(node, call))!.Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(CheckpointDirectory, "node.key"));
        await TestNode.UntilAsync(() => call.HasEnded || CheckpointAsync(node, call).GetAwaiter().GetResult() is null);
        await EndAsync(node, call);
        Assert.Equal((TaskState.Succeeded, 1), (call.State, call.Times));
        Assert.Equal(wanted, call.Output);
        await AssertServesAsync(node);
    }

    private static IEnumerable<TheoryDataRow<string, Blow>> Combine(FaultPoint point, IEnumerable<Blow> blows) => blows.Select(b => new TheoryDataRow<string, Blow>(point.ToString(), b));

    /// <returns>The answer to come; null: the call ended before it got there.</returns>
    private async Task<Task<OperationError?>?> BeginCaptureAsync(TestNode node, Ending call, FaultPoint point)
    {
        node.Runtime.Faults.Arm(point);
        var asked = CheckpointAsync(node, call);
        await TestNode.UntilAsync(
            () => asked.IsCompleted || (point == FaultPoint.CaptureUnread ? FindAgent(node, Capturing) is not null : Files().Any(static f => f.EndsWith(".checkpoint", StringComparison.Ordinal))),
            $"the capture comes to {point}");
        if (!asked.IsCompleted)
        {
            return asked;
        }

        node.Runtime.Faults.Disarm(point);
        Assert.NotNull(await asked);
        await call.WaitAsync();
        return null;
    }

    private static async Task BeginContinuationAsync(TestNode node, Ending call, FaultPoint point)
    {
        node.Runtime.Faults.Arm(point);
        Assert.Null(await node.Runtime.Life.ResumeAsync(call.Id, 0));
        await TestNode.UntilAsync(
            () => point == FaultPoint.CheckpointUnread ? node.StateOf(call) == TaskState.Starting : FindAgent(node, Restoring) is not null, $"the continuation comes to {point}");
    }

    private static async Task StrikeAsync(TestNode node, Ending call, Blow blow, string verb)
    {
        switch (blow)
        {
            case Blow.Worker:
                Kill(FindAgent(node, verb)!.Value.Worker);
                break;
            case Blow.Agent:
                Kill(FindAgent(node, verb)!.Value.Agent);
                break;
            case Blow.Cancel:
                Assert.Null(node.Tasks.Cancel(call.Id, 0));
                break;
            default:
                node.KillSpawner();
                await TestNode.UntilAsync(() => !node.Runtime.IsReady);
                node.StartSpawner();
                await TestNode.UntilAsync(() => node.Runtime.IsReady);
                break;
        }
    }

    /// <summary>The spawner's child that holds a worker, and that worker: both stand in its arguments, behind what it does.</summary>
    private static (int Agent, int Worker)? FindAgent(TestNode node, string verb)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                continue;
            }

            try
            {
                var words = File.ReadAllText(Path.Combine(folder, "cmdline")).Split('\0');
                if (words is ["wayang-migrate-agent", var its, var worker, ..] && its.StartsWith(verb, StringComparison.Ordinal)
                    && File.ReadAllText(Path.Combine(folder, "status")).Contains($"PPid:\t{node.SpawnerId}\n", StringComparison.Ordinal))
                {
                    return (pid, int.Parse(worker, CultureInfo.InvariantCulture));
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended between the list and the look.
            }
        }

        return null;
    }

    private static void Kill(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (Exception gone) when (gone is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It is gone already.
        }
    }

    private async Task AssertServesAsync(TestNode node)
    {
        Assert.Equal(TaskState.Succeeded, (await Submit(node, Resolve(node, "chain"), 10).WaitAsync()).State);
        await AssertCleanAsync(node);
        await TestNode.UntilAsync(() => FindAgent(node, string.Empty) is null);
    }
}
