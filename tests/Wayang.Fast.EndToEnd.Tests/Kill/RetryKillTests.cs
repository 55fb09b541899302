using Wayang.Fast.EndToEnd.Tests.Fixture;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Kill;

/// <summary>kill -9 of workers, zygotes and the spawner while a thousand tasks with retries run: as many ends as tasks, each a success.</summary>
[Collection("runtimes")]
public sealed class RetryKillTests
{
    private const int Bound = 300_000;

    [Theory(Timeout = Bound)]
    [InlineData("workers")]
    [InlineData("zygotes")]
    [InlineData("spawner")]
    [Trait("Promise", "TR3")]
    [Trait("Promise", "TR4")]
    public async Task Tasks_with_retries_outlive_what_they_ran_in(string victims)
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        var image = await Load.PutImageAsync(client);
        var load = await Load.SubmitAsync(client, image, new(20) { Backoff = TimeSpan.FromMilliseconds(20) });
        await Load.UnderWayAsync(client);
        switch (victims)
        {
            case "workers":
                Signals.KillIfThere(runtime.Workers().Select(static w => w.Pid));
                break;
            case "zygotes":
                Signals.Send("KILL", runtime.Zygotes().Select(static z => z.Pid));
                break;
            default:
                Signals.Kill(runtime.Spawner);
                break;
        }

        var failed = await load.EndsAsync(client);

        Assert.True(failed.Count == 0, string.Join('\n', failed.Take(5).Select(static f => $"{f.State} {f.Cause}")));
        await Load.AssertEndsCountedOnceAsync(client, Load.Tasks);
        var stats = await client.NodeStatsAsync();
        Assert.InRange(stats["retries"], 1, Load.Tasks);
        Assert.Equal(0, stats["tasks_awaiting_retry"]);
        await Load.AssertServesAsync(client, image);
    }
}
