using System.Globalization;
using System.Text;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.Core.Ports;

namespace Wayang.Fast.Execution.Tests;

/// <summary>Bounds over the whole node, and options that are replaced while tasks run.</summary>
[Trait("Promise", "CFG")]
public sealed class ReconfigurationTests
{
    [Fact]
    [Trait("Promise", "PS1")]
    public async Task At_most_so_many_tasks_run_at_once_over_calls_and_commands_and_the_highest_goes_next()
    {
        // A second call fits into the one worker, behind the first: its pool has a free slot for certain.
        using var node = new TestNode(new RuntimeOptions { MaxConcurrentTasks = 2, CallConcurrency = 2, MaxWorkersPerPool = 1 });
        var call = node.Submit(node.Resolve("until_cancelled"));
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "600"]);
        await node.RunsAsync(call);
        await node.RunsAsync(command);
        var low = Submit(node, node.ResolveCommand(), level: 10, ["/bin/echo", "low"]);
        var high = Submit(node, node.Resolve("echo"), level: 40);
        Assert.Equal((TaskState.Queued, TaskState.Queued), (node.StateOf(low), node.StateOf(high)));
        Assert.Equal(2, node.Statistic("slots_in_use"));

        // One slot comes free: the higher one gets it, although the lower came first and a slot of its pool comes free, too.
        Assert.Null(node.Tasks.Cancel(command.Id, 0));
        Assert.Equal(TaskState.Cancelled, (await command.WaitAsync()).State);
        await node.RunsAsync(high);
        Assert.Equal(TaskState.Queued, node.StateOf(low));
        Assert.Null(node.Tasks.Cancel(call.Id, 0));
        Assert.Equal(TaskState.Succeeded, (await high.WaitAsync()).State);
        Assert.Equal(TaskState.Succeeded, (await low.WaitAsync()).State);
        await OutAsync(node, 0);
    }

    [Fact]
    [Trait("Promise", "TR4")]
    public async Task Slots_of_the_node_come_back_however_a_task_ends()
    {
        using var node = new TestNode(new RuntimeOptions { MaxConcurrentTasks = 1, MaxWorkersPerPool = 2 });
        for (var round = 0; round < 3; round++)
        {
            Assert.Equal(TaskState.Failed, (await node.Submit(node.Resolve("crash")).WaitAsync()).State);
            Assert.Equal(TaskState.TimedOut, (await node.Submit(node.Resolve("endless"), timeoutMs: 30).WaitAsync()).State);
            Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("echo", WorkerReuse.Never)).WaitAsync()).State);
            Assert.Equal(TaskState.Failed, (await node.Submit(node.ResolveCommand(), command: ["/does/not/exist"]).WaitAsync()).State);
            var blocker = node.Submit(node.Resolve("until_cancelled"));
            var tombstone = node.Submit(node.Resolve("echo"));
            Assert.Null(node.Tasks.Cancel(tombstone.Id, 0));
            Assert.Null(node.Tasks.Cancel(blocker.Id, 0));
            Assert.Equal(TaskState.Cancelled, (await tombstone.WaitAsync()).State);
            Assert.Equal(TaskState.Cancelled, (await blocker.WaitAsync()).State);
        }

        node.KillSpawner();
        var lost = node.Submit(node.Resolve("echo"));
        node.StartSpawner();
        await lost.WaitAsync();

        // Both of its workers died with the spawner; whichever is not known to be gone yet may be given one more.
        var after = await node.Submit(node.Resolve("echo")).WaitAsync();
        if (after.State != TaskState.Succeeded)
        {
            Assert.Equal(CauseType.WorkerLost, after.Cause.Type);
            after = await node.Submit(node.Resolve("echo")).WaitAsync();
        }

        Assert.Equal(TaskState.Succeeded, after.State);
        await OutAsync(node, 0);
    }

    [Fact]
    public async Task A_running_node_takes_other_bounds_and_keeps_its_tasks()
    {
        using var node = new TestNode(new RuntimeOptions { MaxWorkersPerPool = 1, MaxQueuedTasks = 100, RetainTasks = 50 });
        var first = node.Submit(node.Resolve("until_cancelled"));
        await node.RunsAsync(first);
        var waiting = node.Submit(node.Resolve("until_cancelled"));
        var command = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "600"]);
        var secondCommand = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "600"]);
        await node.RunsAsync(command);
        Assert.Equal(TaskState.Queued, node.StateOf(waiting));

        var applied = node.Runtime.Reconfigure(node.Runtime.Options with
        {
            MaxWorkersPerPool = 2, MaxQueuedTasks = 4, RetainTasks = 1_000, DefaultTimeoutMs = 40, MaxTimeoutMs = 50, MaxStreamBytes = 4, MaxPayloadBytes = 1,
        });

        // What was sized at the start stays.
        Assert.Equal((4, 50, 64 << 20), (applied.MaxQueuedTasks, applied.RetainTasks, applied.MaxPayloadBytes));
        await node.RunsAsync(waiting);
        await node.RunsAsync(secondCommand);
        Assert.Equal(ErrorCode.InvalidArgument, Refusal(node, node.ResolveCommand(), timeoutMs: 51)?.Code);
        Assert.Null(node.Tasks.Cancel(command.Id, 0));
        Assert.Null(node.Tasks.Cancel(secondCommand.Id, 0));
        await command.WaitAsync();
        await secondCommand.WaitAsync();

        // The default time is that of tasks that come from now on; the ones before keep theirs.
        var late = node.Submit(node.ResolveCommand(), command: ["/bin/sleep", "600"]);
        Assert.Equal(TaskState.TimedOut, (await late.WaitAsync()).State);
        Assert.Equal(TaskState.Running, node.StateOf(first));
        await OutAsync(node, 2);

        node.Runtime.Reconfigure(applied with { DefaultTimeoutMs = 50_000, MaxTimeoutMs = 50_000, MaxConcurrentTasks = 1 });
        var behind = node.Submit(node.ResolveCommand(), command: ["/bin/echo", "123456"]);
        Assert.Equal(2, node.Statistic("slots_in_use"));
        Assert.Null(node.Tasks.Cancel(first.Id, 0));
        await first.WaitAsync();
        Assert.Equal(TaskState.Queued, node.StateOf(behind)); // one still runs
        Assert.Null(node.Tasks.Cancel(waiting.Id, 0));
        Assert.Equal((TaskState.Succeeded, "1234"), ((await behind.WaitAsync()).State, behind.Stdout));
        Assert.Equal(2, node.Statistic("configuration_reloads"));
    }

    [Fact]
    [Trait("Promise", "TR1")]
    public async Task A_worker_gets_the_memory_that_is_configured_never_more_than_its_profiles()
    {
        var limits = new Dictionary<string, long>(StringComparer.Ordinal) { ["compute"] = 1L << 30, ["standard"] = 2L << 30 };
        using var node = new TestNode(new RuntimeOptions { WorkerMemoryBytes = 64 << 20, ProfileMemoryBytes = limits });
        string[] hungry = ["/bin/sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo ${#x}"];
        var starved = await node.Submit(node.ResolveCommand(), command: hungry).WaitAsync();
        Assert.True(starved.State == TaskState.Failed, $"{starved.State}: {starved.Stdout}");

        // Over the profile's: what it allows, and not a start that is refused.
        node.Runtime.Reconfigure(node.Runtime.Options with { WorkerMemoryBytes = 1L << 40 });
        var fed = await node.Submit(node.ResolveCommand(), command: hungry).WaitAsync();
        Assert.Equal((TaskState.Succeeded, "200000000\n"), (fed.State, fed.Stdout));
        Assert.Equal(TaskState.Succeeded, (await node.Submit(node.Resolve("echo")).WaitAsync()).State);
    }

    [Fact]
    public async Task An_image_that_is_put_again_under_its_name_is_what_targets_mean_from_then_on()
    {
        using var node = new TestNode();
        var before = node.Resolve("echo");
        var content = File.ReadAllBytes(Installation.TestPlugin);
        await PutAsync(node, content, profile: null);
        Assert.False(before.IsStale);

        await PutAsync(node, content, profile: "standard");
        Assert.True(before.IsStale);
        await PutAsync(node, [.. content, 0], profile: null); // other content: what follows an ELF file is ignored by the loader
        var after = node.Resolve("echo");
        var ending = await node.Submit(after, "x"u8).WaitAsync();
        Assert.Equal("x", Encoding.UTF8.GetString(ending.Output));
        Assert.False(after.IsStale);
        Assert.Null(node.Tasks.Get(ending.Id, 0, out var snapshot));
        Assert.NotEqual(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)), snapshot!.Image);
    }

    private static async Task PutAsync(TestNode node, byte[] content, string? profile)
    {
        var (image, error) = await node.Tasks.PutImageAsync(new ImageUpload("c", content, "test", 0) { Profile = profile }, CancellationToken.None).WaitAsync(TestNode.Patience);
        Assert.True(image is not null, error?.Message);
    }

    private static Ending Submit(TestNode node, CallTarget target, byte level, string[]? command = null)
    {
        var ending = new Ending();
        var line = command is null ? null : new CommandLine(command, [], null);
        var error = node.Tasks.Submit(new TaskSubmission { Target = target, Level = level, Command = line }, ending, 0, out var id);
        Assert.True(error is null, error?.Message);
        ending.Id = id;
        return ending;
    }

    private static OperationError? Refusal(TestNode node, CallTarget target, uint timeoutMs) => node.Tasks.Submit(
        new TaskSubmission { Target = target, Level = 32, TimeoutMs = timeoutMs, Command = new CommandLine(["/bin/true"], [], null) }, null, 0, out _);

    /// <summary>A slot comes back a moment after the end was told.</summary>
    private static Task OutAsync(TestNode node, int slots) => TestNode.UntilAsync(
        () => node.Statistic("slots_in_use") == slots, string.Create(CultureInfo.InvariantCulture, $"{slots} slots of the node are out"));
}
