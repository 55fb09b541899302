using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.InProcess;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>
/// kill -9 of what tasks depend on while they are frozen for others: each ends once, with its cause, nothing frozen stays behind, and the node goes on. A frozen
/// fork bomb stays as it is.
/// </summary>
[Collection("runtimes")]
[Trait("Promise", "PS1")]
[Trait("Promise", "TR3")]
public sealed class FrozenKillTests
{
    private const int Bound = 300_000;
    private const string Node = "limits: {concurrent_tasks: 2}\nhttp_port: 0\n";

    public enum Victim
    {
        Spawner,
        Zygotes,
        Daemon,
    }

    [Theory(Timeout = Bound)]
    [InlineData(Victim.Spawner)]
    [InlineData(Victim.Zygotes)]
    [InlineData(Victim.Daemon)]
    public async Task What_is_killed_while_tasks_are_frozen_ends_them_once_and_leaves_nothing_behind(Victim victim)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, Node);
        await using var client = await runtime.ConnectAsync();
        await RequireFreezerAsync(client);
        var image = (await client.PutImageAsync("c", Plugins.Good)).Image;
        TaskId[] tasks =
        [
            await BeginAsync(client, Shell("(while :; do :; done) & while :; do :; done", TaskClass.Batch)),
            await BeginAsync(client, TaskSpec.Call(image, "until_cancelled") with { Class = TaskClass.Batch }),
            await BeginAsync(client, Shell("sleep 600", TaskClass.Urgent)),
            await BeginAsync(client, Shell("sleep 600", TaskClass.Urgent)),
        ];
        await Eventually.ValueAsync("both are frozen", async () => (await client.NodeStatsAsync())["preemption_frozen"] == 2 ? "yes" : null);
        var (before, daemon) = (runtime.BelowSpawner(), runtime.Daemon);
        switch (victim)
        {
            case Victim.Spawner:
                Signals.Kill(runtime.Spawner);
                break;
            case Victim.Zygotes:
                Signals.Send("KILL", runtime.Zygotes().Select(static z => z.Pid));
                break;
            default:
                Signals.Kill(daemon);
                break;
        }

        if (victim == Victim.Daemon)
        {
            await Eventually.TrueAsync("another daemon", () => DaemonOf(runtime) is { } other && other != daemon);
        }
        else
        {
            foreach (var id in tasks)
            {
                var end = await client.WaitAsync(id, TimeSpan.FromSeconds(60));
                Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (end.State, end.Cause.Type));
            }
        }

        await Eventually.EmptyAsync("what was there before the kill remains", () => [.. ProcessTable.StillThere(before).Select(static p => p.ToString())]);
        await using var later = await runtime.ConnectAsync();
        await AssertServesAsync(later, tasks, known: victim != Victim.Daemon);
    }

    [Fact(Timeout = Bound)]
    public async Task A_frozen_fork_bomb_stays_frozen_and_ends_when_it_is_cancelled()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, "limits: {concurrent_tasks: 1}\nhttp_port: 0\n");
        await using var client = await runtime.ConnectAsync();
        await RequireFreezerAsync(client);

        // Each ends soon after it was made, and has made others.
        var bomb = await BeginAsync(client, Shell("f() { (sleep 0.02; f) & (sleep 0.02; f) & }; f 2>/dev/null; sleep 600", TaskClass.Batch));
        await Eventually.TrueAsync("it has spread", () => InWorkers(runtime).Count > 40);
        var urgent = await BeginAsync(client, Shell("sleep 600", TaskClass.Urgent));
        await Eventually.ValueAsync("it is frozen, the other runs", async () =>
            (await client.GetAsync(bomb)).State == TaskState.Frozen && (await client.GetAsync(urgent)).State == TaskState.Running ? "yes" : null);
        await Eventually.TrueAsync("the urgent one sleeps", () => InWorkers(runtime).Exists(static p => p.CommandLine == "sleep 600"));
        var frozen = InWorkers(runtime).Select(static p => (p.Pid, p.Started)).ToHashSet();
        for (var look = 0; look < 40; look++)
        {
            await Task.Delay(25, TestContext.Current.CancellationToken);
            Assert.True(frozen.SetEquals(InWorkers(runtime).Select(static p => (p.Pid, p.Started))), "a process of it ended, or began");
        }

        await client.CancelAsync(bomb);
        Assert.Equal(TaskState.Cancelled, (await client.WaitAsync(bomb, TimeSpan.FromSeconds(60))).State);
        await client.CancelAsync(urgent);
        await client.WaitAsync(urgent, TimeSpan.FromSeconds(60));
        await AssertServesAsync(client, [bomb, urgent], known: true);
        await Eventually.EmptyAsync("what is left of it", () => [.. ProcessTable.StillThere(InWorkers(runtime)).Where(p => frozen.Contains((p.Pid, p.Started))).Select(static p => p.ToString())]);
    }

    private static List<ProcessEntry> InWorkers(RuntimeUnderTest runtime) => [.. runtime.BelowSpawner().Where(static p => p.NamespaceDepth == 3 && !p.IsZombie)];

    private static int? DaemonOf(RuntimeUnderTest runtime) =>
        runtime.BelowKeeper().Find(static p => p.CommandLine.Contains("serve --daemon", StringComparison.Ordinal) && !p.IsZombie)?.Pid;

    private static async Task RequireFreezerAsync(WayangClient client)
    {
        await Eventually.ValueAsync("the spawner answers", async () => (await client.NodeInfoAsync()).Features.Count > 0 ? "yes" : null);
        Assert.SkipUnless((await client.NodeInfoAsync()).Features.Contains("Freezer"), "this host gives no group that freezes: 'wayang doctor' says why");
    }

    private static TaskSpec Shell(string script, TaskClass taskClass) => TaskSpec.Command("/bin/sh", "-c", script) with { Class = taskClass };

    /// <summary>Returns when it runs, so that the next one finds its slot taken.</summary>
    private static async Task<TaskId> BeginAsync(WayangClient client, TaskSpec spec)
    {
        var id = await client.SubmitAsync(spec);
        await Eventually.ValueAsync($"{id} runs", async () => (await client.GetAsync(id)).State == TaskState.Running ? "yes" : null);
        return id;
    }

    private static async Task AssertServesAsync(WayangClient client, IEnumerable<TaskId> tasks, bool known)
    {
        foreach (var id in tasks)
        {
            if (known)
            {
                Assert.InRange((await client.GetAsync(id)).State, TaskState.Succeeded, TaskState.Rejected);
            }
            else
            {
                Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<WayangException>(() => client.GetAsync(id))).Code);
            }
        }

        Assert.Equal(TaskState.Succeeded, (await client.RunAsync(TaskSpec.Command("/bin/true"))).State);
        await Eventually.ValueAsync("every slot is given back", async () =>
            await client.NodeStatsAsync() is { } now && now["slots_in_use"] == 0 && now["preemption_frozen"] == 0 ? "yes" : null);
    }
}
