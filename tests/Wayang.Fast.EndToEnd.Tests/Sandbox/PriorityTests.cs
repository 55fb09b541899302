using System.Globalization;
using System.Runtime.Versioning;
using Wayang.Fast.EndToEnd.Tests.Fixture;
using Wayang.Fast.EndToEnd.Tests.Kill;
using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Sandbox;

/// <summary>Those who serve the tasks go before them, as the kernel counts: by niceness, and by session where it groups by that.</summary>
[Collection("runtimes")]
[SupportedOSPlatform("linux")]
public sealed class PriorityTests
{
    // Not a private one, in which nobody waits for anybody.
    private const string Served = "http_port: 0\n";

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

    /// <summary>What works for milliseconds at a time gives way to what serves everybody, and to the workers: their slices are shorter.</summary>
    [Fact(Timeout = 300_000)]
    [Trait("Promise", "RA1")]
    public async Task Threads_of_the_daemons_pool_have_longer_slices_than_those_who_serve_everybody()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, Served);
        await using var client = await runtime.ConnectAsync();
        Assert.SkipUnless(SliceOf($"/proc/{runtime.Daemon}") is not null, "this kernel tells no slices (/proc/PID/sched, Linux 6.12 with its scheduler's statistics)");
        await Load.PutImageAsync(client); // a file of more than a piece is written by the pool
        await Eventually.EmptyAsync("threads of the pool with a short slice", () => [.. Threads(runtime.Daemon, ".NET TP Worker").Where(static t => SliceOf(t) is { } slice && slice != 400_000)]);
        Assert.NotEmpty(Threads(runtime.Daemon, ".NET TP Worker"));
        foreach (var name in new[] { ".NET Sockets", "wayang-completi" })
        {
            Assert.NotEmpty(Threads(runtime.Daemon, name));
            Assert.All(Threads(runtime.Daemon, name), static thread => Assert.Equal(100_000, SliceOf(thread)));
        }
    }

    /// <summary>Web frameworks watch the folders in which the program was started, to see settings change: all of the disk where that is the root.</summary>
    [Fact(Timeout = 300_000)]
    public async Task The_daemon_watches_no_folders()
    {
        await using var runtime = await RuntimeUnderTest.StartAsync(Account.Root, string.Create(CultureInfo.InvariantCulture, $"http_port: {ServeTest.FreePort()}\n"));

        // The doors over HTTP are the last that open, and who watches has begun before.
        await Eventually.TrueAsync("a door over HTTP is open", () => Threads(runtime.Daemon, "Kestrel Timer").Count > 0);
        Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries($"/proc/{runtime.Daemon}/fd").Select(static fd => new FileInfo(fd).LinkTarget), static target => target?.Contains("inotify", StringComparison.Ordinal) == true);
    }

    private static List<string> Threads(int pid, string name) =>
        [.. Directory.EnumerateDirectories($"/proc/{pid}/task").Where(thread => Text($"{thread}/comm")?.TrimEnd('\n') == name)];

    /// <summary>Nanoseconds; null: it is gone, or the kernel does not tell.</summary>
    private static long? SliceOf(string directory) => Text($"{directory}/sched")?.Split('\n').FirstOrDefault(static line => line.StartsWith("se.slice", StringComparison.Ordinal)) is { } line
        ? long.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture) : null;

    private static string? Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return null; // it is gone
        }
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
