using Wayang.Fast.Contracts.Errors;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>The end of the keeper is the end of everything below it, in whatever way it comes, and the next start recovers.</summary>
[Collection("runtimes")]
public sealed class KeeperTests
{
    private const int Bound = 300_000;

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "PS1")]
    public async Task A_killed_keeper_takes_everything_along(Account account) =>
        await EndsWithAsync(account, static r => Signals.Kill(r.Keeper));

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "PS1")]
    public async Task Keeper_and_spawner_killed_at_once_leave_no_process(Account account) =>
        await EndsWithAsync(account, static r => Signals.Send("KILL", r.Spawner, r.Keeper), groupsMayStay: true);

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "PS1")]
    public async Task Keeper_spawner_and_daemon_killed_at_once_leave_no_process(Account account) =>
        await EndsWithAsync(account, static r => Signals.Send("KILL", r.Spawner, r.Daemon, r.Keeper), groupsMayStay: true, socketMayStay: true);

    [Theory(Timeout = Bound)]
    [InlineData(Account.Root)]
    [InlineData(Account.Unprivileged)]
    [Trait("Promise", "PS1")]
    public async Task A_terminated_keeper_ends_in_order_with_tasks_under_way(Account account)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        await Load.SubmitAsync(client, await Load.PutImageAsync(client));
        await Load.UnderWayAsync(client);

        Signals.Terminate(runtime.Keeper);

        Assert.Equal("code 0", await runtime.Processes.WaitForEndAsync());
        await Eventually.EmptyAsync("left after an ordered end", () => Leftovers.OfOrderedEnd(runtime));
    }

    private static async Task EndsWithAsync(Account account, Action<RuntimeUnderTest> kill, bool groupsMayStay = false, bool socketMayStay = false)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(account);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        await Load.SubmitAsync(client, image);
        await Load.UnderWayAsync(client);
        var before = runtime.BelowKeeper();
        var codes = await Load.RunPendingAsync(client, image, Load.Tasks, () => kill(runtime));

        Assert.Equal("signal 9", await runtime.Processes.WaitForEndAsync());
        Assert.All(codes, static code => Assert.Equal(ErrorCode.NodeLost, code));
        await Eventually.EmptyAsync("processes remain", () => [.. ProcessTable.StillThere(before).Select(static p => p.ToString())]);

        // Where spawner and daemon were killed too, nobody is left to remove groups and socket: the next start does.
        await Eventually.EmptyAsync("left after the kill", () => [.. Leftovers.Of(runtime).Where(l =>
            !(groupsMayStay && l.StartsWith("group ", StringComparison.Ordinal)) && !(socketMayStay && l.StartsWith("socket ", StringComparison.Ordinal)))]);
        await runtime.StartAsync();
        await using var later = await runtime.ConnectAsync();
        image = await Load.PutImageAsync(later);
        Assert.Empty(await (await Load.SubmitAsync(later, image)).EndsAsync(later));
        Signals.Terminate(runtime.Keeper);
        Assert.Equal("code 0", await runtime.Processes.WaitForEndAsync());
        await Eventually.EmptyAsync("left after an ordered end", () => Leftovers.OfOrderedEnd(runtime));
    }
}
