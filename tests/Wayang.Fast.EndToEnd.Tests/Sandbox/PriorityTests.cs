using System.Globalization;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.Kill;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Those who serve the tasks go before them, as the kernel counts: by niceness, and by session where it groups by that.</summary>
[Collection("runtimes")]
public sealed class PriorityTests
{
    private const string Grouping = "/proc/sys/kernel/sched_autogroup_enabled";

    [Fact(Timeout = 300_000)]
    [Trait("Promise", "RA1")]
    public async Task Daemon_and_spawner_go_before_the_tasks()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root);
        await using var client = await runtime.ConnectAsync();
        await Load.SubmitAsync(client, await Load.PutImageAsync(client));
        await Load.UnderWayAsync(client);
        var servers = new[] { runtime.Daemon, runtime.Spawner };

        Assert.All(servers, static pid => Assert.Equal(-10, Niceness(pid)));

        // One that was just forked has its zygote's niceness until it is confined, before it does anything of its task.
        await Eventually.EmptyAsync(
            "workers that go before those who serve them",
            () => [.. runtime.BelowKeeper().Where(static p => p is { NamespaceDepth: >= 3, IsZombie: false } && Niceness(p.Pid) < 0).Select(static p => p.ToString())]);
        Assert.SkipUnless(File.Exists(Grouping) && File.ReadAllText(Grouping).Trim() == "1", "this kernel does not group by session");
        Assert.All(servers, static pid => Assert.EndsWith("nice -10", File.ReadAllText($"/proc/{pid}/autogroup").Trim(), StringComparison.Ordinal));
    }

    /// <summary>Null: it is gone.</summary>
    private static int? Niceness(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], CultureInfo.InvariantCulture); // proc(5): field 19
        }
        catch (IOException)
        {
            return null;
        }
    }
}
