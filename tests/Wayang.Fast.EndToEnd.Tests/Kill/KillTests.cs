using Wayang.Fast.Client;
using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.Contracts.Operations;
using Wayang.Fast.Contracts.Tasks;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>
/// kill -9 of each process of a runtime with a thousand tasks under way: every task ends once, with a typed cause; only what
/// ran in a killed process is lost; the node goes on, and nothing of the dead stays behind.
/// </summary>
[Collection("runtimes")]
public sealed class KillTests
{
    private const int Milliseconds = 1000;
    private const int Bound = 300 * Milliseconds;

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    public async Task A_killed_worker_loses_its_call_alone(Account account)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var workers = runtime.Workers().Where(IsOfPlugin(image)).ToList();
        Signals.Kill(workers[0].Pid);

        var lost = await load.EndsAsync(client);

        Assert.InRange(lost.Count, 0, 1);
        AssertLost(lost);
        await GoesOnAsync(runtime, client, image, [workers[0]]);
    }

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    public async Task A_killed_zygote_of_calls_loses_what_its_workers_ran(Account account) =>
        await ZygoteAsync(account, ofPlugin: true);

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    public async Task A_killed_zygote_of_commands_loses_what_its_workers_ran(Account account) =>
        await ZygoteAsync(account, ofPlugin: false);

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    public async Task A_killed_holder_loses_what_its_workers_ran(Account account)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var before = runtime.BelowSpawner();
        var holders = runtime.Holders();
        Signals.Send("KILL", holders.Select(static h => h.Pid));

        AssertLost(await load.EndsAsync(client));

        await GoesOnAsync(runtime, client, image, before);
    }

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    [Trait("Promise", "PS1")]
    public async Task A_killed_spawner_is_started_again_and_the_queue_runs_on(Account account)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var daemon = runtime.Daemon;
        var before = runtime.BelowSpawner();
        var mounts = await File.ReadAllLinesAsync($"/proc/{runtime.Keeper}/mounts");
        Signals.Kill(runtime.Spawner);

        AssertLost(await load.EndsAsync(client));

        Assert.Equal(daemon, runtime.Daemon);
        Assert.Equal(1, (await client.NodeStatsAsync())["spawners_lost"]);
        Assert.Equal(mounts, await File.ReadAllLinesAsync($"/proc/{runtime.Keeper}/mounts"));
        await GoesOnAsync(runtime, client, image, before);
    }

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "TR3")]
    [Trait("Promise", "PS1")]
    public async Task A_killed_daemon_is_started_again_and_knows_no_older_task(Account account)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var before = runtime.BelowKeeper();
        await using var caller = await runtime.ConnectAsync();
        var codes = await Load.RunPendingAsync(caller, image, Load.Tasks, () => Signals.Kill(runtime.Daemon));

        // The load is ahead of them in the queue, so the first end of one of these would be long after the kill.
        Assert.All(codes, static code => Assert.Equal(ErrorCode.NodeLost, code));
        await using var later = await runtime.ConnectAsync();
        foreach (var id in load.Ids)
        {
            var refusal = await Assert.ThrowsAsync<WayangException>(() => later.GetAsync(id));
            Assert.Equal(ErrorCode.NotFound, refusal.Code);
        }

        await Eventually.EmptyAsync("processes of before the kill remain", () => [.. ProcessTable.StillThere(before).Select(static p => p.ToString())]);
        image = await Load.PutImageAsync(later);
        await Load.AssertServesAsync(later, image);
        Assert.Empty(await (await Load.SubmitAsync(later, image)).EndsAsync(later));
        await EndsInOrderAsync(runtime);
    }

    private static async Task ZygoteAsync(Account account, bool ofPlugin)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var isOfPlugin = IsOfPlugin(image);
        var zygote = runtime.Zygotes().Single(p => isOfPlugin(p) == ofPlugin);
        var before = runtime.Workers().Where(p => isOfPlugin(p) == ofPlugin).Append(zygote).ToList();
        Signals.Kill(zygote.Pid);

        var lost = await load.EndsAsync(client);

        AssertLost(lost);
        var limit = (await client.NodeInfoAsync()).Limits["max_workers_per_pool"];
        Assert.InRange(lost.Count, 0, limit);
        await GoesOnAsync(runtime, client, image, before);
    }

    private static Func<ProcessEntry, bool> IsOfPlugin(string image) => p => p.CommandLine.Contains(image[..8], StringComparison.Ordinal);

    private static void AssertLost(List<TaskResult> failed) =>
        Assert.All(failed, static r => Assert.Equal((TaskState.Failed, CauseType.WorkerLost), (r.State, r.Cause.Type)));

    /// <summary>Ends were counted once, the dead are gone, the node serves another thousand, and ends without a trace.</summary>
    private static async Task GoesOnAsync(RuntimeUnderTest runtime, WayangClient client, string image, List<ProcessEntry> dead)
    {
        await Load.AssertEndsCountedOnceAsync(client, Load.Tasks);
        await Eventually.EmptyAsync("the dead remain", () => [.. ProcessTable.StillThere(dead).Select(static p => p.ToString())]);
        await Load.AssertServesAsync(client, image);
        Assert.Empty(await (await Load.SubmitAsync(client, image)).EndsAsync(client));
        await Load.AssertEndsCountedOnceAsync(client, (2 * Load.Tasks) + 2);

        // Two files for a channel, one for an image: those of the dead are closed.
        var most = (2 * (await client.NodeInfoAsync()).Limits["max_workers_per_pool"]) + 1;
        Assert.InRange(ProcessTable.MemoryFiles(runtime.Daemon).Count(static f => f.Contains("/memfd:wayang", StringComparison.Ordinal)), 0, most);
        await EndsInOrderAsync(runtime);
    }

    private static async Task EndsInOrderAsync(RuntimeUnderTest runtime)
    {
        Signals.Terminate(runtime.Keeper);
        Assert.Equal("code 0", await runtime.Processes.WaitForEndAsync());
        await Eventually.EmptyAsync("left after an ordered end", () => Leftovers.OfOrderedEnd(runtime));
    }
}
